"""A cart does as it is told while it is open. What becomes of its checkout opens it again, or closes it for good.

Its checkouts and the attempts of checkout-api are counted apart: others may publish CartCheckedOut, too, and what is
turned away may be no attempt. So an end is not matched with a checkout by number; each end counts once, whichever
it is. That is enough, for checkout-api has one checkout of a cart under way at a time: a cart that was opened too early
can start no second one, and a checkout that goes well closes it all the same.
"""

from dataclasses import replace
from typing import assert_never

from agents.cart.filling import Priced, Refusal, added, priced, removed
from agents.cart.state import Cart, Status
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected, CheckoutRejectionReason
from schemas.identity import derived_id
from schemas.message import Message
from schemas.shopping import (
    AddItemToCart,
    CartCheckedOut,
    CartCommand,
    CartCommandRejected,
    CartRejectionReason,
    CheckoutCart,
    RemoveItemFromCart,
)
from streams.decision import Decision
from streams.tables import Tables

#: So many ends of checkouts are remembered; of those before, no repeat comes any more.
MOST_HEARD = 16

_Told = AddItemToCart | RemoveItemFromCart | CheckoutCart
_COMMANDS = {
    AddItemToCart: CartCommand.ADD_ITEM,
    RemoveItemFromCart: CartCommand.REMOVE_ITEM,
    CheckoutCart: CartCommand.CHECK_OUT,
}


def decide(
    state: Cart | None,
    message: AddItemToCart | RemoveItemFromCart | CheckoutCart | CheckoutRejected | CheckoutFailed | CheckoutCompleted,
    at: int,
    tables: Tables,
) -> Decision[Cart]:
    match message:
        case AddItemToCart() | RemoveItemFromCart() | CheckoutCart():
            return _do(state, message, at, tables)
        case CheckoutRejected() | CheckoutFailed() | CheckoutCompleted():
            # Where we have no cart, somebody else published what was checked out.
            return Decision(None) if state is None else _kept(_ended(state, message, at), at)
        case _:
            assert_never(message)


def _do(state: Cart | None, message: _Told, at: int, tables: Tables) -> Decision[Cart]:
    cart = state or Cart(message.cartId, opened_at=at)
    match _done(cart, message, at, tables):
        case Refusal() as refusal:
            return _refused(state, message, refusal, at)
        case Priced() as bill:
            after = replace(cart, status=Status.CHECKED_OUT, checkouts=cart.checkouts + 1)
            return _kept(after, at, _checked_out(after, bill, at))
        case Cart() as after:
            return _kept(after, at)


def _done(cart: Cart, message: _Told, at: int, tables: Tables) -> Cart | Priced | Refusal:
    if cart.status is not Status.OPEN:
        detail = "the cart was bought" if cart.status is Status.BOUGHT else "a checkout of the cart is under way"
        return Refusal(CartRejectionReason.ALREADY_CHECKED_OUT, detail)
    match message:
        case AddItemToCart():
            return added(cart, message, tables)
        case RemoveItemFromCart():
            return removed(cart, message)
        case CheckoutCart():
            return priced(cart, message, at, tables)
        case _:
            assert_never(message)


def _ended(cart: Cart, message: CheckoutRejected | CheckoutFailed | CheckoutCompleted, at: int) -> Cart:
    match message:
        case CheckoutCompleted():
            return cart if cart.status is Status.BOUGHT else replace(cart, status=Status.BOUGHT, bought_at=at)
        case CheckoutFailed():
            return _opened(cart, message.checkoutId)
        case CheckoutRejected():
            name = message.meta.messageId if message.meta else None
            if message.reason is CheckoutRejectionReason.DUPLICATE and message.checkoutId not in cart.heard:
                return _noted(cart, name)  # the end of the checkout that it duplicates is still to come
            return _opened(cart, name)
        case _:
            assert_never(message)


def _opened(cart: Cart, end: str | None) -> Cart:
    """Unless this end was heard before, and was that of an earlier checkout."""
    if end in cart.heard:
        return cart
    return _noted(replace(cart, status=Status.OPEN) if cart.status is Status.CHECKED_OUT else cart, end)


def _noted(cart: Cart, end: str | None) -> Cart:
    if end is None or end in cart.heard:
        return cart
    return replace(cart, heard=(*cart.heard, end)[-MOST_HEARD:])


def _checked_out(cart: Cart, bill: Priced, at: int) -> CartCheckedOut:
    return CartCheckedOut(
        eventId=derived_id("cart checked out", cart.cart_id, cart.opened_at, cart.checkouts),
        occurredAt=at,
        cartId=cart.cart_id,
        customerId=bill.customer_id,
        items=bill.items,
        subtotal=bill.subtotal,
        discount=bill.discount,
        total=bill.subtotal - bill.discount,
        currency=bill.currency,
    )


def _refused(state: Cart | None, message: _Told, refusal: Refusal, at: int) -> Decision[Cart]:
    rejected = CartCommandRejected(
        cartId=message.cartId,
        command=_COMMANDS[type(message)],
        reason=refusal.reason,
        detail=refusal.detail,
        productId=refusal.product_id,
        rejectedAt=at,
    )
    return Decision(None, sends=(rejected,)) if state is None else _kept(state, at, rejected)


def _kept(cart: Cart, at: int, *sends: Message) -> Decision[Cart]:
    return Decision(cart, sends=sends, expires=cart.expires(at))
