"""What becomes of an order. A request that changes nothing is answered from what is kept, as it was the first time.

Cancelling is possible until the goods are with the customer, and wins over whatever it overtakes: an order that is
cancelled before it exists stays as a tombstone, which the late request meets.
"""

from typing import assert_never

from msgspec.structs import replace

from agents.orders import answers, requests
from agents.orders.state import (
    PASSING,
    PUBLIC,
    TERMINAL_STAYS,
    Cancellation,
    Confirmation,
    Order,
    Purchase,
    Rejection,
    Status,
)
from schemas.message import Message
from schemas.orders import (
    CancellationReason,
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    OrderRejectionReason,
    PlaceOrder,
)
from schemas.shipping import ShipmentDelivered
from streams.decision import Decision


def decide(
    state: Order | None, message: PlaceOrder | CreateOrder | ConfirmOrder | CancelOrder | ShipmentDelivered, at: int
) -> Decision[Order]:
    if message.orderId is None:
        raise ValueError(f"{type(message).__name__}.orderId must be set: the record's key says which order it is about")
    order = state or Order(message.orderId)
    match message:
        case PlaceOrder():
            return place(order, message, at)
        case CreateOrder():
            return create(order, message, at)
        case ConfirmOrder():
            return confirm(order, message, at)
        case CancelOrder():
            return cancel(order, message.reason, at)
        case ShipmentDelivered():
            return complete(order, at if message.deliveredAt is None else message.deliveredAt, at)
        case _:
            assert_never(message)


def place(order: Order, command: PlaceOrder, at: int) -> Decision[Order]:
    purchase, digest = requests.placed(command), requests.digest(command)
    if order.may_become(Status.PLACED):
        if problem := requests.wrong_with_placed(purchase):
            return reject(order, problem, at)
        order = replace(moved(order, Status.PLACED, at), purchase=purchase, placed_as=digest)
        return kept(order, answers.checkout_of(order))
    if order.placed_as == digest and order.status is not Status.CANCELLED:
        return kept(order)
    return refuse(order, purchase, at)


def create(order: Order, command: CreateOrder, at: int) -> Decision[Order]:
    purchase = requests.ordered(command)
    known = order.purchase == purchase
    if order.may_become(Status.CREATED) and (known or order.status is Status.UNKNOWN):
        if problem := requests.wrong_with_ordered(purchase):
            return reject(order, problem, at)
        order = replace(
            moved(order, Status.CREATED, at),
            purchase=purchase,
            created_at=at,
            authorization_id=command.paymentAuthorizationId,
        )
        return kept(order, answers.created(order))
    if known and order.status is not Status.CANCELLED:
        return kept(order, answers.created(order))
    return refuse(order, purchase, at)


def confirm(order: Order, command: ConfirmOrder, at: int) -> Decision[Order]:
    if order.may_become(Status.CONFIRMED):
        confirmation = Confirmation(
            at, command.paymentAuthorizationId or order.authorization_id, command.inventoryReservationId
        )
        after = replace(moved(order, Status.CONFIRMED, at), confirmation=confirmation)
        changed = answers.status_changed(order, after, "paid", at)
        return kept(after, answers.confirmed(after, confirmation), changed)
    if order.cancellation:
        return kept(order, answers.cancelled(order, order.cancellation))
    if order.confirmation:
        return kept(order, answers.confirmed(order, order.confirmation))
    if order.rejection:
        return kept(order, answers.rejected(order, order.rejection))
    return reject(order, "it was not created, so there is nothing to confirm", at)


def cancel(order: Order, asked: CancellationReason, at: int) -> Decision[Order]:
    # A reason that only newer code knows can't be passed on. To cancel matters more than why.
    reason = CancellationReason.CUSTOMER_REQUESTED if asked is CancellationReason.UNRECOGNIZED else asked
    if order.may_become(Status.CANCELLED):
        cancellation = Cancellation(at, reason)
        after = replace(moved(order, Status.CANCELLED, at), cancellation=cancellation)
        changed = (
            (answers.status_changed(order, after, f"cancelled: {reason}", at),)
            if after.sequence > order.sequence
            else ()
        )
        return kept(after, answers.cancelled(after, cancellation), *changed)
    if order.cancellation:
        return kept(order, answers.cancelled(order, order.cancellation))
    return kept(order, answers.too_late_to_cancel(order, reason, at))


def complete(order: Order, delivered_at: int, at: int) -> Decision[Order]:
    """By the first parcel. One for an order that is not confirmed, or not any more, is for people to look into."""
    if not order.may_become(Status.COMPLETED):
        return kept(order)
    after = moved(order, Status.COMPLETED, at)
    return kept(
        after, answers.completed(after, delivered_at), answers.status_changed(order, after, "goods handed over", at)
    )


def reject(order: Order, problem: str, at: int) -> Decision[Order]:
    rejection = Rejection(at, OrderRejectionReason.INVALID, problem)
    if order.may_become(Status.REJECTED):
        order = replace(moved(order, Status.REJECTED, at), rejection=rejection)
    return kept(order, answers.rejected(order, rejection))


def refuse(order: Order, other: Purchase, at: int) -> Decision[Order]:
    """The order is something else already."""
    if order.cancellation:
        return kept(order, answers.already_cancelled(order, order.cancellation, at))
    if order.rejection:
        return kept(order, answers.rejected(order, order.rejection))
    return kept(order, answers.conflicting(order, other.total, other.currency, at))


def moved(order: Order, to: Status, at: int) -> Order:
    told = {order.status, to} <= PUBLIC
    return replace(
        order,
        status=to,
        sequence=order.sequence + told,
        stays_until=at + TERMINAL_STAYS if to in PASSING else None,
    )


def kept(order: Order, *sends: Message) -> Decision[Order]:
    return Decision(None if order.status is Status.UNKNOWN else order, sends, expires=order.stays_until)
