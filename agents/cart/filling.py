"""What goes into a cart, what comes out of it, and what it costs. Each gives a refusal where that can't be."""

from typing import NamedTuple

from msgspec.structs import replace

from agents.cart.state import Cart, Line
from agents.promotion.rules import Inapplicable, discount
from schemas.shopping import (
    AddItemToCart,
    CalculateDiscount,
    CartLine,
    CartRejectionReason,
    CheckoutCart,
    ProductListed,
    PromotionOffered,
    RemoveItemFromCart,
)
from schemas.types import INT_MAX, LONG_MAX
from streams.tables import Tables

MOST_LINES = 100


class Refusal(NamedTuple):
    """Why a cart stays as it is."""

    reason: CartRejectionReason
    #: For people.
    detail: str
    product_id: str | None = None


class Priced(NamedTuple):
    """A cart at the prices of one moment, and who is to pay them."""

    customer_id: str
    #: Of the command.
    conversation: str | None
    items: tuple[CartLine, ...]
    subtotal: int
    discount: int
    currency: str


def added(cart: Cart, message: AddItemToCart, tables: Tables) -> Cart | Refusal:
    product = message.productId
    listed = _listed(cart, product, tables)
    if isinstance(listed, Refusal):
        return listed
    if message.unitPrice not in (None, listed.unitPrice):
        detail = f"{product} costs {listed.unitPrice} {listed.currency}, and the customer saw {message.unitPrice}"
        return Refusal(CartRejectionReason.PRICE_DIFFERS, detail, product)
    before = cart.line(product)
    quantity = message.quantity + (before.quantity if before else 0)
    if quantity > INT_MAX:
        return _too_much(f"{quantity} pieces of {product} are more than a line holds", product)
    line = Line(product, quantity, listed.unitPrice)
    lines = tuple(line if each is before else each for each in cart.lines) if before else (*cart.lines, line)
    if len(lines) > MOST_LINES:
        return _too_much(f"a cart holds {MOST_LINES} products", product)
    if sum(each.quantity * each.unit_price for each in lines) > LONG_MAX:
        return _too_much(f"with {message.quantity} more of {product} it is worth more than we can count", product)
    return replace(cart, lines=lines, currency=listed.currency)


def removed(cart: Cart, message: RemoveItemFromCart) -> Cart | Refusal:
    product = message.productId
    line = cart.line(product)
    there = line.quantity if line else 0
    wanted = message.quantity or there
    if line is None or wanted > there:
        detail = f"{message.quantity or 'all'} of {product} to take out, and {there} in the cart"
        return Refusal(CartRejectionReason.NOT_IN_CART, detail, product)
    rest = (replace(line, quantity=there - wanted),) if wanted < there else ()
    at = cart.lines.index(line)
    return replace(cart, lines=(*cart.lines[:at], *rest, *cart.lines[at + 1 :]))


def priced(cart: Cart, message: CheckoutCart, at: int, tables: Tables) -> Priced | Refusal:
    """At the prices that the list has now, whatever they were when the lines were added."""
    if not cart.lines:
        return Refusal(CartRejectionReason.EMPTY_CART, "there is nothing in the cart")
    items: list[CartLine] = []
    for line in cart.lines:
        listed = _listed(cart, line.product_id, tables)
        if isinstance(listed, Refusal):
            return listed
        items.append(CartLine(productId=line.product_id, quantity=line.quantity, unitPrice=listed.unitPrice))
    subtotal = sum(item.quantity * item.unitPrice for item in items)
    if subtotal > LONG_MAX:
        return _too_much("at its present prices it is worth more than we can count")
    code = message.promotionCode
    query = CalculateDiscount(
        cartId=cart.cart_id,
        customerId=message.customerId,
        subtotal=subtotal,
        currency=cart.currency,
        promotionCode=code,
    )
    off = discount(None if code is None else tables.get(PromotionOffered, code), query, at)
    if isinstance(off, Inapplicable):
        return Refusal(CartRejectionReason.PROMOTION_NOT_APPLICABLE, off.reason)
    meta = message.meta
    conversation = None if meta is None else meta.correlationId or meta.messageId
    return Priced(message.customerId, conversation, tuple(items), subtotal, off.discount, cart.currency)


def _listed(cart: Cart, product: str, tables: Tables) -> ProductListed | Refusal:
    """What the list says of it, in the currency of the cart."""
    listed = tables.get(ProductListed, product)
    if listed is None:
        return Refusal(CartRejectionReason.UNKNOWN_PRODUCT, f"{product} is not in the price list", product)
    if cart.lines and listed.currency != cart.currency:
        detail = f"{product} is sold in {listed.currency}, and the cart is in {cart.currency}"
        return Refusal(CartRejectionReason.CURRENCIES_DIFFER, detail, product)
    return listed


def _too_much(detail: str, product: str | None = None) -> Refusal:
    return Refusal(CartRejectionReason.TOO_MUCH, detail, product)
