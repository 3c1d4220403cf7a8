"""Two small services that talk to each other about orders, with a deadline: enough to go wrong in every way."""

from dataclasses import dataclass, replace
from typing import assert_never

from schemas.inventory import HoldStock, ReserveInventory
from schemas.orders import (
    CancellationReason,
    CancelOrder,
    ConfirmOrder,
    CreatedItem,
    CreateOrder,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
)
from streams.decision import Decision, Wake
from streams.service import Service

#: An order that nobody confirms is cancelled after so long.
PATIENCE = 60_000


@dataclass(frozen=True, slots=True)
class Order:
    create: CreateOrder
    status: str
    decisions: int = 1


def decide_order(
    state: Order | None, message: CreateOrder | ConfirmOrder | CancelOrder | Wake, at: int
) -> Decision[Order]:
    match message:
        case CreateOrder():
            return _create(state, message, at)
        case ConfirmOrder():
            return _finish(state, "CONFIRMED", at)
        case CancelOrder() | Wake():
            return _finish(state, "CANCELLED", at)
        case _:
            assert_never(message)


def _create(state: Order | None, message: CreateOrder, at: int) -> Decision[Order]:
    if state is not None:
        return Decision(replace(state, decisions=state.decisions + 1), timer=at + PATIENCE)
    if message.total == 13:
        raise ValueError("thirteen is not to be sold")
    created = OrderCreated(
        orderId=message.orderId or "",
        customerId=message.customerId,
        total=message.total,
        currency=message.currency,
        status="CREATED",
        items=tuple(
            CreatedItem(sku=item.productId, quantity=item.quantity, unitPrice=item.unitPrice) for item in message.items
        ),
        createdAt=at,
    )
    return Decision(Order(message, "CREATED"), sends=(created,), timer=at + PATIENCE)


def _finish(state: Order | None, status: str, at: int) -> Decision[Order]:
    if state is None or state.status != "CREATED":
        return Decision(state)
    order = replace(state, status=status, decisions=state.decisions + 1)
    create = order.create
    if status == "CANCELLED":
        cancelled = OrderCancelled(
            orderId=create.orderId or "", reason=CancellationReason.CUSTOMER_REQUESTED, cancelledAt=at
        )
        return Decision(order, sends=(cancelled,))
    confirmed = OrderConfirmed(
        orderId=create.orderId or "",
        customerId=create.customerId,
        confirmationNumber="ORD-00000001",
        total=create.total,
        currency=create.currency,
        confirmedAt=at,
    )
    return Decision(order, sends=(confirmed,))


@dataclass(frozen=True, slots=True)
class Seen:
    created: int
    confirmed: int


def decide_clerk(state: Seen | None, message: OrderCreated | OrderConfirmed, at: int) -> Decision[Seen]:
    """Confirm every order of an even total; count what comes, so that a repeat would show."""
    seen = state or Seen(0, 0)
    match message:
        case OrderCreated():
            seen = replace(seen, created=seen.created + 1)
            return Decision(seen, sends=(ConfirmOrder(orderId=message.orderId),) if message.total % 2 == 0 else ())
        case OrderConfirmed():
            return Decision(replace(seen, confirmed=seen.confirmed + 1))
        case _:
            assert_never(message)


@dataclass(frozen=True, slots=True)
class Reservation:
    reservation_id: str
    asked: int


def decide_reservation(state: Reservation | None, message: ReserveInventory, at: int) -> Decision[Reservation]:
    """Ask for each product under the product's own key, as often as somebody wants it."""
    reservation_id = message.reservationId or ""
    asked = (state.asked if state else 0) + 1
    sends = tuple(
        HoldStock(productId=item.productId, reservationId=reservation_id, quantity=item.quantity)
        for item in message.items
    )
    return Decision(Reservation(reservation_id, asked), sends=sends)


@dataclass(frozen=True, slots=True)
class Pieces:
    held: int


def decide_shelf(state: Pieces | None, message: HoldStock, at: int) -> Decision[Pieces]:
    """Only a sum, so that a repeat would show, and so would a loss."""
    return Decision(Pieces((state.held if state else 0) + message.quantity))


reservations = Service(name="reservations", state=Reservation, decide=decide_reservation, sends=(HoldStock,))
shelves = Service(name="shelves", state=Pieces, decide=decide_shelf)
orders = Service(name="orders", state=Order, decide=decide_order, sends=(OrderCreated, OrderConfirmed, OrderCancelled))
clerk = Service(name="clerk", state=Seen, decide=decide_clerk, sends=(ConfirmOrder,))
