"""Orders: how they stand, what is bought, and every transition that was told."""

from projections.models.model import Change, Place, ReadModel, Table, UnfitEventError
from schemas.orders import (
    OrderAmended,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
    OrderStatusChanged,
)

ORDERS = Table(
    "orders",
    key=("order_id",),
    columns={
        "order_id": "uuid",
        "customer_id": "uuid",
        "total": "bigint",
        "currency": "text",
        "revision": "integer",
        "confirmation_number": "text",
        "payment_authorization_id": "text",
        "reservation_id": "text",
        "cancellation_reason": "text",
        "rejection_reason": "text",
        "rejection_detail": "text",
        "created_at": "timestamptz",
        "confirmed_at": "timestamptz",
        "completed_at": "timestamptz",
        "cancelled_at": "timestamptz",
        "rejected_at": "timestamptz",
        "reached": "text",
        "sequence": "integer",
        "changed_at": "timestamptz",
        "version": "bigint",
    },
    # Services answer a repeated request again: OrderCreated may come when the order is completed, or amended.
    editions={"sequence": ("reached",), "revision": ("total", "currency")},
)
ITEMS = Table(
    "order_items",
    key=("order_id", "product_id"),
    columns={
        "order_id": "uuid",
        "product_id": "uuid",
        "line": "integer",
        "quantity": "integer",
        "unit_price": "bigint",
        "revision": "integer",
        "version": "bigint",
    },
    editions={"revision": ("quantity", "unit_price")},
)
HISTORY = Table(
    "order_status_history",
    key=("order_id", "sequence"),
    columns={
        "order_id": "uuid",
        "sequence": "integer",
        "previous_status": "text",
        "status": "text",
        "reason": "text",
        "changed_at": "timestamptz",
        "topic_partition": "integer",
        "topic_offset": "bigint",
    },
    fixed=True,
)


def _order(order_id: str, place: Place, *, sequence: int = 0, revision: int = 0, **said: str | int | None) -> Change:
    return ORDERS, {
        "order_id": order_id,
        "sequence": sequence,
        "revision": revision,
        "changed_at": place.at,
        **said,
    }


def created(event: OrderCreated, place: Place) -> list[Change]:
    order_id = event.orderId
    if len({item.sku for item in event.items}) < len(event.items):
        raise UnfitEventError(f"OrderCreated of {order_id} has several items of one product: one item per product")
    return [
        _order(
            order_id,
            place,
            revision=1,
            customer_id=event.customerId,
            total=event.total,
            currency=event.currency,
            created_at=event.createdAt,
        ),
        *(
            (
                ITEMS,
                {
                    "order_id": order_id,
                    "product_id": item.sku,
                    "line": line,
                    "quantity": item.quantity,
                    "unit_price": item.unitPrice,
                    "revision": 1,
                },
            )
            for line, item in enumerate(event.items, start=1)
        ),
    ]


def amended(event: OrderAmended, place: Place) -> list[Change]:
    order = _order(event.orderId, place, revision=event.revision, total=event.newTotal, currency=event.currency)
    return [
        order,
        *(
            (
                ITEMS,
                {
                    "order_id": event.orderId,
                    "product_id": item.productId,
                    "quantity": item.newQuantity,
                    "unit_price": item.unitPrice,
                    "revision": event.revision,
                },
            )
            for item in event.amendedItems or ()
        ),
    ]


def confirmed(event: OrderConfirmed, place: Place) -> list[Change]:
    return [
        _order(
            event.orderId,
            place,
            customer_id=event.customerId,
            confirmation_number=event.confirmationNumber,
            payment_authorization_id=event.paymentAuthorizationId,
            reservation_id=event.inventoryReservationId,
            confirmed_at=event.confirmedAt,
        )
    ]


def rejected(event: OrderRejected, place: Place) -> list[Change]:
    return [
        _order(
            event.orderId,
            place,
            rejection_reason=event.reason,
            rejection_detail=event.detail,
            rejected_at=event.rejectedAt,
        )
    ]


def cancelled(event: OrderCancelled, place: Place) -> list[Change]:
    return [
        _order(
            event.orderId,
            place,
            customer_id=event.customerId,
            cancellation_reason=event.reason,
            cancelled_at=event.cancelledAt,
        )
    ]


def completed(event: OrderCompleted, place: Place) -> list[Change]:
    return [_order(event.orderId, place, customer_id=event.customerId, completed_at=event.completedAt)]


def moved(event: OrderStatusChanged, place: Place) -> list[Change]:
    return [
        _order(event.orderId, place, sequence=event.sequence, reached=event.newStatus),
        (
            HISTORY,
            {
                "order_id": event.orderId,
                "sequence": event.sequence,
                "previous_status": event.previousStatus,
                "status": event.newStatus,
                "reason": event.changeReason,
                "changed_at": event.changedAt,
                "topic_partition": place.partition,
                "topic_offset": place.offset,
            },
        ),
    ]


MODEL = ReadModel(
    "orders",
    (ORDERS, ITEMS, HISTORY),
    {
        OrderCreated: created,
        OrderAmended: amended,
        OrderConfirmed: confirmed,
        OrderRejected: rejected,
        OrderCancelled: cancelled,
        OrderCompleted: completed,
        OrderStatusChanged: moved,
    },
)
