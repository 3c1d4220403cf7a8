"""What a person at the shell asks for, as messages of the contract.

Ids follow from the cart and from which of its checkouts it is, so what is published again is known as a repeat.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemas.errors import OrderflowError
from schemas.identity import derived_id
from schemas.message import Message, Meta
from schemas.shopping import AddItemToCart, CartCheckedOut, CartLine, CheckoutCart, ProductListed

CURRENCY = "EUR"
#: What is for sale where nothing is.
EXAMPLE = ProductListed(
    productId=derived_id("product", "espresso cup"), name="Espresso cup", unitPrice=1_999, currency=CURRENCY
)
_ITEM = re.compile(r"(?P<product>[0-9a-f-]{36})(:(?P<pieces>[1-9]\d{0,8}))?(:(?P<price>\d{1,15}))?")


class WishError(OrderflowError):
    """What was asked for is nothing that can be put into a cart."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """All that can be said; what is not is chosen for whoever asks."""

    items: tuple[str, ...] = ()
    customer: str | None = None
    cart: str | None = None
    #: Let the cart API fill and price the cart.
    shop: bool = False
    code: str | None = None


def line_of(item: str, listed: Mapping[str, ProductListed]) -> CartLine:
    found = _ITEM.fullmatch(item)
    if found is None:
        raise WishError(f"--item {item}: say PRODUCT[:PIECES[:PRICE]], such as {EXAMPLE.productId}:2:1999")
    product, price = found["product"], found["price"]
    if price is None and product not in listed:
        raise WishError(f"--item {item}: the product is not on the price list, so say a price: {product}:1:1999")
    unit_price = int(price) if price else listed[product].unitPrice
    return CartLine(productId=product, quantity=int(found["pieces"] or 1), unitPrice=unit_price)


def messages_of(
    wish: Wish, cart_id: str, lines: tuple[CartLine, ...], currency: str, number: int
) -> tuple[Message, ...]:
    """Of so many checkouts of that cart the last."""
    customer = wish.customer or derived_id("customer at the shell")
    if wish.shop:
        return (*_fillings(cart_id, lines), _checkout(cart_id, customer, wish.code, number))
    return (_checked_out(cart_id, customer, lines, currency, number),)


def _fillings(cart_id: str, lines: Iterable[CartLine]) -> Iterator[AddItemToCart]:
    """Their ids are the same for every attempt: what is in the cart stays there."""
    for line in lines:
        yield AddItemToCart(
            cartId=cart_id,
            productId=line.productId,
            quantity=line.quantity,
            unitPrice=line.unitPrice,
            meta=_meta("item", cart_id, line.productId, line.quantity),
        )


def _checkout(cart_id: str, customer: str, code: str | None, number: int) -> CheckoutCart:
    meta = _meta("checkout", cart_id, number)
    return CheckoutCart(cartId=cart_id, customerId=customer, promotionCode=code, meta=meta)


def _checked_out(
    cart_id: str, customer: str, lines: tuple[CartLine, ...], currency: str, number: int
) -> CartCheckedOut:
    total = sum(line.quantity * line.unitPrice for line in lines)
    meta = _meta("checked out", cart_id, number)
    return CartCheckedOut(
        eventId=meta.messageId,
        occurredAt=time.time_ns() // 1_000_000,
        cartId=cart_id,
        customerId=customer,
        items=lines,
        subtotal=total,
        total=total,
        currency=currency,
        meta=meta,
    )


def _meta(*what: str | int) -> Meta:
    return Meta(messageId=derived_id("at the shell", *what))
