"""A cart does as it is told while it is open. What becomes of its checkout opens it again, or closes it for good.

What ends is not matched with what was begun by number: this counts checkouts, checkout-api counts attempts, and others
may publish CartCheckedOut, too. Instead

- a **failure** opens it unless that very checkout is known to have failed, for checkout-api has one checkout of a cart
  under way at a time. A cart that is opened too early, by the failure of somebody else's, can start no second one;
- a **rejection** opens it if it answers the command that checked it out. Others answer commands that the cart refused;
- one that calls it a **duplicate** of a checkout leaves the opening to that one's end, unless that was heard before:
  checkout-api reads several topics, and may hear of a failure after the cart and the next command have.
"""

from typing import assert_never

from msgspec.structs import replace

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

#: So many failures are remembered; of those before, no repeat comes any more.
MOST_FAILED = 16

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
            after = replace(
                cart, status=Status.CHECKED_OUT, checkouts=cart.checkouts + 1, conversation=bill.conversation
            )
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
        case CheckoutFailed() if message.checkoutId not in cart.failed:
            return replace(_opened(cart), failed=(*cart.failed, message.checkoutId)[-MOST_FAILED:])
        case CheckoutRejected() if _is_turned_away(cart, message):
            return _opened(cart)
        case _:
            return cart


def _is_turned_away(cart: Cart, message: CheckoutRejected) -> bool:
    """Whether nothing comes of its checkout any more."""
    about = message.meta.correlationId if message.meta else None
    if cart.conversation is not None and about != cart.conversation:
        return False
    if message.reason is CheckoutRejectionReason.NOT_PRICED:
        return False  # by now it is, and that has an answer of its own
    return message.reason is not CheckoutRejectionReason.DUPLICATE or message.checkoutId in cart.failed


def _opened(cart: Cart) -> Cart:
    return replace(cart, status=Status.OPEN) if cart.status is Status.CHECKED_OUT else cart


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
        customerId=message.customerId if isinstance(message, CheckoutCart) else None,
        productId=refusal.product_id,
        rejectedAt=at,
    )
    return Decision(None, sends=(rejected,)) if state is None else _kept(state, at, rejected)


def _kept(cart: Cart, at: int, *sends: Message) -> Decision[Cart]:
    return Decision(cart, sends=sends, expires=cart.expires(at))
