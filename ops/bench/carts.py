"""Carts of three lines, priced already: what the bench lets in, so that every one becomes an order."""

from collections.abc import Iterator

from schemas.identity import derived_id
from schemas.inventory import AddInventory
from schemas.message import Message
from schemas.shopping import CartCheckedOut, CartLine

PRODUCTS = 1_000
LINES = 3
_PRICE = 1_999
_PLENTY = 1_000_000_000
_CUSTOMER = derived_id("bench", "customer")


def stock(at: int) -> Iterator[Message]:
    for number in range(PRODUCTS):
        yield AddInventory(
            productId=_product(number), quantity=_PLENTY, warehouseId=derived_id("bench", "warehouse"), timestamp=at
        )


def cart(run: str, number: int, at: int) -> CartCheckedOut:
    """`run`: carts of another one are others."""
    lines = tuple(
        CartLine(productId=_product(number * LINES + line), quantity=line + 1, unitPrice=_PRICE)
        for line in range(LINES)
    )
    return CartCheckedOut(
        eventId=derived_id("bench", run, number, "event"),
        occurredAt=at,
        cartId=derived_id("bench", run, number),
        customerId=_CUSTOMER,
        items=lines,
        total=sum(line.quantity * line.unitPrice for line in lines),
        currency="EUR",
    )


def _product(number: int) -> str:
    return derived_id("bench", "product", number % PRODUCTS)
