"""Folds the events of an order into the whole of it, and tells it when it has changed.

An answer may be given again long after: a repeated CreateOrder is answered by OrderCreated though the order is
confirmed by then. So facts only lead forward; transitions count by their sequence, amendments by their revision.
"""

from typing import Any, TypeVar, assert_never

from agents.order_state.state import Known
from schemas.orders import (
    OrderAmended,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderedItem,
    OrderRejected,
    OrderState,
    OrderStatus,
    OrderStatusChanged,
)
from schemas.types import UNRECOGNIZED, Symbols
from streams.decision import Decision

#: Millis for which an ended order is known: three times as long as whoever answers for it remembers it, so that what
#: is said of it late is not taken for the beginning of another one.
ENDED_STAYS = 90 * 24 * 60 * 60 * 1_000

OrderEvent = (
    OrderCreated | OrderRejected | OrderConfirmed | OrderAmended | OrderCancelled | OrderCompleted | OrderStatusChanged
)
Fields = dict[str, Any]
E = TypeVar("E", bound=Symbols)

#: From these no fact leads anywhere.
_DONE = {OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.ARCHIVED}
#: What was rejected may still be called off: either way it never was.
_ENDED = _DONE | {OrderStatus.REJECTED}


def decide(state: Known | None, message: OrderEvent, at: int) -> Decision[Known]:
    before = state.order if state else _unheard_of(message.orderId, at)
    after = OrderState.model_validate({**dict(before), **_said(before, message)})
    told: tuple[OrderState, ...] = ()
    if after != before:
        after = after.model_copy(update={"updatedAt": at})
        # A status that only newer code knows can't be told. The next one that we know is.
        told = () if after.status is OrderStatus.UNRECOGNIZED else (after,)
    return Decision(Known(after), sends=told, expires=at + ENDED_STAYS if after.status in _ENDED else None)


def _unheard_of(order_id: str, at: int) -> OrderState:
    return OrderState(orderId=order_id, status=OrderStatus.UNRECOGNIZED, sequence=0, revision=1, items=(), updatedAt=at)


def _said(order: OrderState, event: OrderEvent) -> Fields:
    """The fields that an event changes, if it does."""
    match event:
        case OrderCreated():
            return _created(order, event) if order.createdAt is None else {}
        case OrderRejected():
            return _rejected(order, event)
        case OrderConfirmed():
            return _confirmed(order, event)
        case OrderAmended():
            return _amended(order, event) if event.revision > order.revision else {}
        case OrderCancelled():
            return _cancelled(order, event)
        case OrderCompleted():
            return _completed(order, event)
        case OrderStatusChanged():
            return _moved(event) if event.sequence > order.sequence else {}
        case _:
            assert_never(event)


def _created(order: OrderState, event: OrderCreated) -> Fields:
    return {
        "customerId": event.customerId,
        "status": OrderStatus.CREATED if _is_new(order) else order.status,
        "items": tuple(
            OrderedItem(productId=item.sku, quantity=item.quantity, unitPrice=item.unitPrice) for item in event.items
        ),
        "total": event.total,
        "currency": event.currency,
        "createdAt": event.createdAt,
    }


def _rejected(order: OrderState, event: OrderRejected) -> Fields:
    """Of an order that exists already, it is another one of the same id that was turned down."""
    if not _is_new(order):
        return {}
    return {
        "status": OrderStatus.REJECTED,
        "rejectionReason": _publishable(event.reason),
        "rejectedAt": event.rejectedAt,
    }


def _confirmed(order: OrderState, event: OrderConfirmed) -> Fields:
    if order.confirmedAt is not None:
        return {}
    begun = _is_new(order) or order.status is OrderStatus.CREATED
    return {
        "customerId": event.customerId,
        "status": OrderStatus.CONFIRMED if begun else order.status,
        "total": event.total if order.total is None else order.total,
        "currency": event.currency,
        "confirmationNumber": event.confirmationNumber,
        "confirmedAt": event.confirmedAt,
    }


def _amended(order: OrderState, event: OrderAmended) -> Fields:
    items = {item.productId: item for item in order.items}
    for amended in event.amendedItems or ():
        items[amended.productId] = OrderedItem(
            productId=amended.productId, quantity=amended.newQuantity, unitPrice=amended.unitPrice
        )
    return {
        "revision": event.revision,
        "items": tuple(item for item in items.values() if item.quantity > 0),
        "total": event.newTotal,
        "currency": event.currency,
    }


def _cancelled(order: OrderState, event: OrderCancelled) -> Fields:
    if order.cancelledAt is not None or order.status in _DONE - {OrderStatus.CANCELLED}:
        return {}
    return {
        "customerId": event.customerId or order.customerId,
        "status": OrderStatus.CANCELLED,
        "cancellationReason": _publishable(event.reason),
        "cancelledAt": event.cancelledAt,
    }


def _completed(order: OrderState, event: OrderCompleted) -> Fields:
    if order.completedAt is not None or order.status in _DONE - {OrderStatus.COMPLETED}:
        return {}
    return {
        "customerId": event.customerId,
        "status": OrderStatus.COMPLETED,
        "completedAt": event.completedAt,
    }


def _moved(event: OrderStatusChanged) -> Fields:
    return {"status": OrderStatus(event.newStatus.value), "sequence": event.sequence}


def _is_new(order: OrderState) -> bool:
    return order.status is OrderStatus.UNRECOGNIZED and order.sequence == 0


def _publishable(reason: E) -> E | None:
    return None if reason == UNRECOGNIZED else reason
