"""What is asked of an order: what it says, and what is wrong with it."""

from collections import Counter
from collections.abc import Iterable

from agents.orders.state import Line, Purchase
from schemas.identity import derived_id
from schemas.orders import CreateOrder, PlaceOrder


def placed(command: PlaceOrder) -> Purchase:
    """What the checkout of an order from outside will create: the same, or they would conflict."""
    return Purchase(
        cart_id=command.orderId,
        customer_id=command.customer.customerId,
        lines=tuple(Line(item.itemId, item.quantity, item.price) for item in command.items),
        total=command.payment.amount,
        currency=command.currency,
    )


def digest(command: PlaceOrder) -> str:
    """Of everything in it: what is not kept, such as the address, tells orders apart too."""
    return derived_id("placed", command.model_dump_json(exclude={"meta"}))


def ordered(command: CreateOrder) -> Purchase:
    return Purchase(
        cart_id=command.cartId,
        customer_id=command.customerId,
        lines=tuple(Line(item.productId, item.quantity, item.unitPrice) for item in command.items),
        total=command.total,
        currency=command.currency,
    )


def wrong_with_placed(purchase: Purchase) -> str | None:
    """An order from outside has no discount, and nobody has looked at it before."""
    if not purchase.lines:
        return "it orders nothing"
    if twice := [product for product, count in Counter(line[0] for line in purchase.lines).items() if count > 1]:
        return f"it has several items of product {', '.join(twice)}: one item per product, with its quantity"
    if purchase.total != (due := _sum(purchase.lines)):
        return f"the payment is of {purchase.total} {purchase.currency} in minor units, but its items sum up to {due}"
    return None


def wrong_with_ordered(purchase: Purchase) -> str | None:
    """A discount may have come off, but nothing comes on top."""
    if purchase.total > (due := _sum(purchase.lines)):
        return f"its total is {purchase.total} {purchase.currency} in minor units, but its items sum up to {due}"
    return None


def _sum(lines: Iterable[Line]) -> int:
    return sum(line.quantity * line.unit_price for line in lines)
