"""Decides which carts are checked out.

A cart that was checked out reaches us twice: as the command, which opens the attempt, and priced, which starts it. The
two lie on different topics, so either may come first; a priced cart is enough by itself.
"""

from collections import Counter
from typing import assert_never

from msgspec.structs import replace

from agents.checkout.state import Checkouts
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutLine,
    CheckoutRejected,
    CheckoutRejectionReason,
    StartCheckout,
)
from schemas.identity import checkout_id
from schemas.shopping import CartCheckedOut, CartCommand, CartCommandRejected, CartRejectionReason, CheckoutCart
from streams.decision import Decision, Wake

#: Millis from the command to the priced cart.
PRICED_WITHIN = 30_000
#: Longer than anything about one of its checkouts is remembered elsewhere: a number must not be given twice.
CART_STAYS = 90 * 24 * 3_600_000
#: So many priced carts are remembered; of those before, no repeat comes any more.
MOST_REMEMBERED = 16

_REASONS = {
    CartRejectionReason.EMPTY_CART: CheckoutRejectionReason.EMPTY_CART,
    CartRejectionReason.ALREADY_CHECKED_OUT: CheckoutRejectionReason.DUPLICATE,
}


def decide(
    state: Checkouts | None,
    message: CheckoutCart | CartCheckedOut | CartCommandRejected | CheckoutCompleted | CheckoutFailed | Wake,
    at: int,
) -> Decision[Checkouts]:
    if isinstance(message, Wake):
        return Decision(None) if state is None else _late(state, at)
    cart = state or Checkouts(message.cartId)
    match message:
        case CheckoutCart():
            return _opened(cart, message, at)
        case CartCheckedOut():
            return _priced(cart, message, at)
        case CartCommandRejected():
            return _turned_down(cart, message, at)
        case CheckoutCompleted() | CheckoutFailed():
            return _ended(cart, message, at)
        case _:
            assert_never(message)


def _opened(cart: Checkouts, message: CheckoutCart, at: int) -> Decision[Checkouts]:
    # Of a cart that is checked out already, the cart itself turns the command down.
    name = message.meta.messageId if message.meta else None
    if cart.live or cart.completed or (name is not None and name in {cart.answered, cart.late}):
        return _kept(cart, at)
    return _kept(replace(cart, customer_id=message.customerId, command=name, deadline=at + PRICED_WITHIN), at)


def _priced(cart: Checkouts, message: CartCheckedOut, at: int) -> Decision[Checkouts]:
    if message.eventId in cart.event_ids:
        return _kept(cart, at)
    before = cart.live or cart.completed
    if before is not None:
        detail = "this cart's checkout is still under way" if cart.live else "this cart was bought already"
        return _rejected(cart, message.customerId, CheckoutRejectionReason.DUPLICATE, detail, at)
    if cart.late is not None and _cause(message) == cart.late:
        # Said once more, because the cart was open the first time, and is not now.
        detail = "the priced cart came after its command had been turned away"
        return _rejected(cart, message.customerId, CheckoutRejectionReason.NOT_PRICED, detail, at)
    if wrong := _wrong(message):
        return _rejected(_closed(cart, message), message.customerId, *wrong, at)
    attempt = cart.attempts + 1
    start = StartCheckout(
        checkoutId=checkout_id(message.cartId, attempt),
        cartId=message.cartId,
        attempt=attempt,
        customerId=message.customerId,
        items=tuple(
            CheckoutLine(productId=line.productId, quantity=line.quantity, unitPrice=line.unitPrice)
            for line in message.items
        ),
        subtotal=message.subtotal,
        discount=message.discount,
        total=message.total,
        currency=message.currency,
    )
    event_ids = (*cart.event_ids, message.eventId)[-MOST_REMEMBERED:]
    closed = replace(_closed(cart, message), attempts=attempt, live=start.checkoutId, event_ids=event_ids)
    return _kept(closed, at, start)


def _wrong(message: CartCheckedOut) -> tuple[CheckoutRejectionReason, str] | None:
    """What is wrong with it, with the figures; None if nothing is."""
    if not message.items:
        return CheckoutRejectionReason.EMPTY_CART, "there is nothing in the cart"
    if twice := [product for product, lines in Counter(line.productId for line in message.items).items() if lines > 1]:
        detail = f"it has several lines of product {', '.join(twice)}: one line per product, with its quantity"
        return CheckoutRejectionReason.INVALID, detail
    lines = sum(line.quantity * line.unitPrice for line in message.items)
    subtotal = lines if message.subtotal is None else message.subtotal
    if subtotal != lines:
        detail = f"the subtotal is {subtotal}, but the lines add up to {lines}"
        return CheckoutRejectionReason.TOTALS_DO_NOT_ADD_UP, detail
    discount = message.discount or 0
    if message.total != (due := subtotal - discount):
        detail = f"the total is {message.total}, but {subtotal} less a discount of {discount} is {due}"
        return CheckoutRejectionReason.TOTALS_DO_NOT_ADD_UP, detail
    return None


def _turned_down(cart: Checkouts, message: CartCommandRejected, at: int) -> Decision[Checkouts]:
    if message.command is not CartCommand.CHECK_OUT or message.customerId is None:
        return _kept(cart, at)
    reason = _REASONS.get(message.reason, CheckoutRejectionReason.INVALID)
    return _rejected(_closed(cart, message), message.customerId, reason, message.detail, at)


def _ended(cart: Checkouts, message: CheckoutCompleted | CheckoutFailed, at: int) -> Decision[Checkouts]:
    if message.checkoutId != cart.live:
        return _kept(cart, at)
    completed = message.checkoutId if isinstance(message, CheckoutCompleted) else None
    return _kept(replace(cart, live=None, completed=completed), at)


def _late(cart: Checkouts, at: int) -> Decision[Checkouts]:
    if cart.customer_id is None:
        return _kept(cart, at)
    detail = f"no priced cart came within {PRICED_WITHIN} ms of the command"
    closed = replace(cart, customer_id=None, command=None, deadline=None, late=cart.command)
    return _rejected(closed, cart.customer_id, CheckoutRejectionReason.NOT_PRICED, detail, at)


def _closed(cart: Checkouts, answer: CartCheckedOut | CartCommandRejected) -> Checkouts:
    """What the command waited for is there."""
    return replace(cart, customer_id=None, command=None, deadline=None, answered=_cause(answer))


def _cause(answer: CartCheckedOut | CartCommandRejected) -> str | None:
    return answer.meta.causationId if answer.meta else None


def _rejected(
    cart: Checkouts, customer_id: str, reason: CheckoutRejectionReason, detail: str, at: int
) -> Decision[Checkouts]:
    other = cart.live or cart.completed if reason is CheckoutRejectionReason.DUPLICATE else None
    rejected = CheckoutRejected(
        cartId=cart.cart_id, customerId=customer_id, reason=reason, detail=detail, checkoutId=other, rejectedAt=at
    )
    return _kept(cart, at, rejected)


def _kept(cart: Checkouts, at: int, *sends: StartCheckout | CheckoutRejected) -> Decision[Checkouts]:
    known = None if cart == Checkouts(cart.cart_id) else cart
    return Decision(known, sends=sends, timer=cart.deadline, expires=at + CART_STAYS)
