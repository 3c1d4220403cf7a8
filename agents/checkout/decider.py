"""Decides which carts are checked out.

A cart that was checked out reaches us twice: as the command, which opens the attempt, and priced, which starts it. The
two lie on different topics, so either may come first; a priced cart is enough by itself.
"""

from dataclasses import replace
from typing import assert_never

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
    known = cart.live or cart.completed or (message.meta is not None and message.meta.messageId == cart.answered)
    if known:
        return _kept(cart, at)
    return _kept(replace(cart, customer_id=message.customerId, deadline=at + PRICED_WITHIN), at)


def _priced(cart: Checkouts, message: CartCheckedOut, at: int) -> Decision[Checkouts]:
    if message.eventId == cart.event_id:
        return _kept(cart, at)
    before = cart.live or cart.completed
    if before is not None:
        detail = "this cart's checkout is still under way" if cart.live else "this cart was bought already"
        return _rejected(cart, message.customerId, CheckoutRejectionReason.DUPLICATE, detail, at)
    if not message.items:
        reason, detail = CheckoutRejectionReason.EMPTY_CART, "there is nothing in the cart"
        return _rejected(_closed(cart, message), message.customerId, reason, detail, at)
    if problem := _sums(message):
        reason = CheckoutRejectionReason.TOTALS_DO_NOT_ADD_UP
        return _rejected(_closed(cart, message), message.customerId, reason, problem, at)
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
    closed = replace(_closed(cart, message), attempts=attempt, live=start.checkoutId, event_id=message.eventId)
    return _kept(closed, at, start)


def _sums(message: CartCheckedOut) -> str | None:
    """What doesn't add up, with the figures; None if all does."""
    lines = sum(line.quantity * line.unitPrice for line in message.items)
    subtotal = lines if message.subtotal is None else message.subtotal
    discount = message.discount or 0
    if subtotal != lines:
        return f"the subtotal is {subtotal}, but the lines add up to {lines}"
    if message.total != subtotal - discount:
        return f"the total is {message.total}, but {subtotal} less a discount of {discount} is {subtotal - discount}"
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
    closed = replace(cart, customer_id=None, deadline=None)
    return _rejected(closed, cart.customer_id, CheckoutRejectionReason.NOT_PRICED, detail, at)


def _closed(cart: Checkouts, answer: CartCheckedOut | CartCommandRejected) -> Checkouts:
    """What the command waited for is there."""
    answered = answer.meta.causationId if answer.meta else None
    return replace(cart, customer_id=None, deadline=None, answered=answered)


def _rejected(
    cart: Checkouts, customer_id: str, reason: CheckoutRejectionReason, detail: str, at: int
) -> Decision[Checkouts]:
    other = cart.live or cart.completed if reason is CheckoutRejectionReason.DUPLICATE else None
    rejected = CheckoutRejected(
        cartId=cart.cart_id, customerId=customer_id, reason=reason, detail=detail, checkoutId=other, rejectedAt=at
    )
    return _kept(cart, at, rejected)


def _kept(cart: Checkouts, at: int, *sends: StartCheckout | CheckoutRejected) -> Decision[Checkouts]:
    return Decision(cart, sends=sends, timer=cart.deadline, expires=at + CART_STAYS)
