"""Orders, from orders.events.

An answer may be given again long after (a repeated CreateOrder is answered by OrderCreated though the order is
confirmed by then), and a crash repeats the last few records of a key at new offsets. So how an order stands does not
follow from what was said last: transitions count by their sequence, items and total by their revision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from projections.folds.fold import Fold, Model, Place, Row, Table, latest
from schemas.orders import (
    OrderAmended,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
    OrderStatusChanged,
)

OrderEvent = (
    OrderCreated | OrderRejected | OrderConfirmed | OrderAmended | OrderCancelled | OrderCompleted | OrderStatusChanged
)

ORDERS = Table(
    "orders",
    (
        "order_id", "customer_id", "status", "total", "currency", "revision", "confirmation_number",
        "payment_authorization_id", "reservation_id", "cancellation_reason", "rejection_reason", "rejection_detail",
        "created_at", "confirmed_at", "completed_at", "cancelled_at", "rejected_at", "reached", "sequence",
        "changed_at", "version",
    ),
    keys=1,
    by="order_id",
)  # fmt: skip
ITEMS = Table(
    "order_items",
    ("order_id", "product_id", "line", "quantity", "unit_price", "revision", "version"),
    keys=2,
    by="order_id",
)
HISTORY = Table(
    "order_status_history",
    (
        "order_id", "sequence", "previous_status", "status", "reason", "changed_at", "topic_partition", "topic_offset",
    ),
    keys=2,
    by="order_id",
)  # fmt: skip


class Item(NamedTuple):
    """Pieces of one product."""

    #: None where an amendment brought it in.
    line: int | None
    quantity: int
    unit_price: int
    revision: int
    version: int


class Transition(NamedTuple):
    """From one status to the next, and where that was said first."""

    previous: str
    status: str
    reason: str | None
    at: int
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Order:
    """All that has been said of it."""

    order_id: str
    customer_id: str | None = None
    total: int | None = None
    currency: str | None = None
    #: 1 as created; amended from then on.
    revision: int = 0
    confirmation_number: str | None = None
    payment_authorization_id: str | None = None
    reservation_id: str | None = None
    cancellation_reason: str | None = None
    #: Of the last request under its id that was turned down: the order may stand beside it.
    rejection_reason: str | None = None
    rejection_detail: str | None = None
    created_at: int | None = None
    confirmed_at: int | None = None
    completed_at: int | None = None
    cancelled_at: int | None = None
    rejected_at: int | None = None
    items: Mapping[str, Item] = field(default_factory=dict)
    transitions: Mapping[int, Transition] = field(default_factory=dict)
    changed_at: int = 0
    version: int = 0

    @property
    def sequence(self) -> int:
        return max(self.transitions, default=0)

    @property
    def reached(self) -> str | None:
        return self.transitions[self.sequence].status if self.transitions else None

    @property
    def status(self) -> str:
        """Each transition is told: only before the first one must it be read from the facts."""
        if self.reached is not None:
            return self.reached
        if self.cancelled_at is not None:
            return "CANCELLED"
        if self.confirmed_at is not None:
            return "CONFIRMED"
        if self.created_at is not None:
            return "CREATED"
        return "UNRECOGNIZED" if self.rejected_at is None else "REJECTED"


def fold(order: Order | None, event: OrderEvent, place: Place) -> Order:
    known = order or Order(event.orderId)
    return replace(_said(known, event, place), changed_at=place.at, version=place.version)


def _said(order: Order, event: OrderEvent, place: Place) -> Order:
    match event:
        case OrderCreated():
            return _created(order, event, place)
        case OrderRejected():
            return replace(
                order,
                rejection_reason=event.reason.value,
                rejection_detail=latest(event.detail, order.rejection_detail),
                rejected_at=event.rejectedAt,
            )
        case OrderConfirmed():
            return replace(
                order,
                customer_id=event.customerId,
                confirmation_number=event.confirmationNumber,
                payment_authorization_id=_said_or_known(event.paymentAuthorizationId, order.payment_authorization_id),
                reservation_id=_said_or_known(event.inventoryReservationId, order.reservation_id),
                confirmed_at=event.confirmedAt,
            )
        case OrderAmended():
            return _amended(order, event, place)
        case OrderCancelled():
            return replace(
                order,
                customer_id=event.customerId or order.customer_id,
                cancellation_reason=event.reason.value,
                cancelled_at=event.cancelledAt,
            )
        case OrderCompleted():
            return replace(order, customer_id=event.customerId, completed_at=event.completedAt)
        case OrderStatusChanged():
            return _changed(order, event, place)


def _said_or_known(said: str | None, known: str | None) -> str | None:
    return known if said is None else said


def _created(order: Order, event: OrderCreated, place: Place) -> Order:
    items = {
        item.sku: Item(line, item.quantity, item.unitPrice, 1, place.version)
        for line, item in enumerate(event.items, start=1)
    }
    priced = _priced(order, 1, event.total, event.currency)
    return replace(priced, customer_id=event.customerId, created_at=event.createdAt, items=_latest(order.items, items))


def _amended(order: Order, event: OrderAmended, place: Place) -> Order:
    items = {
        item.productId: Item(None, item.newQuantity, item.unitPrice, event.revision, place.version)
        for item in event.amendedItems or ()
    }
    priced = _priced(order, event.revision, event.newTotal, event.currency)
    return replace(priced, items=_latest(order.items, items))


def _priced(order: Order, revision: int, total: int, currency: str) -> Order:
    if revision < order.revision:
        return order
    return replace(order, revision=revision, total=total, currency=currency)


def _latest(known: Mapping[str, Item], said: Mapping[str, Item]) -> Mapping[str, Item]:
    """Of each product the greater edition, its place in the order, and where it was spoken of last."""
    items = dict(known)
    for product_id, item in said.items():
        before = items.get(product_id, item)
        newer = item if item.revision >= before.revision else before
        line = before.line if item.line is None else item.line
        items[product_id] = newer._replace(line=line, version=item.version)
    return items


def _changed(order: Order, event: OrderStatusChanged, place: Place) -> Order:
    transition = Transition(
        event.previousStatus.value,
        event.newStatus.value,
        event.changeReason,
        event.changedAt,
        place.partition,
        place.offset,
    )
    return replace(order, transitions={event.sequence: transition, **order.transitions})


def rows(order: Order) -> Iterator[Row]:
    yield Row(
        ORDERS.name,
        (
            order.order_id,
            order.customer_id,
            order.status,
            order.total,
            order.currency,
            order.revision,
            order.confirmation_number,
            order.payment_authorization_id,
            order.reservation_id,
            order.cancellation_reason,
            order.rejection_reason,
            order.rejection_detail,
            order.created_at,
            order.confirmed_at,
            order.completed_at,
            order.cancelled_at,
            order.rejected_at,
            order.reached,
            order.sequence,
            order.changed_at,
            order.version,
        ),
    )
    for product_id, item in order.items.items():
        yield Row(ITEMS.name, (order.order_id, product_id, *item))
    for sequence, transition in sorted(order.transitions.items()):
        yield Row(HISTORY.name, (order.order_id, sequence, *transition))


MODEL = Model(
    "orders",
    (ORDERS, ITEMS, HISTORY),
    (
        Fold(
            (
                OrderCreated,
                OrderRejected,
                OrderConfirmed,
                OrderAmended,
                OrderCancelled,
                OrderCompleted,
                OrderStatusChanged,
            ),
            lambda event: event.orderId,
            fold,
            rows,
        ),
    ),
)
