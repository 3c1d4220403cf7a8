"""Checkouts: each attempt and how it ended, what was turned away, and the carts that they came from."""

from projections.models.model import Change, Place, ReadModel, Table
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected, CheckoutStarted
from schemas.shopping import CartCheckedOut
from schemas.types import LONG_MAX

CHECKOUTS = Table(
    "checkouts",
    key=("checkout_id",),
    columns={
        "checkout_id": "uuid",
        "cart_id": "uuid",
        "attempt": "integer",
        "customer_id": "uuid",
        "total": "bigint",
        "currency": "text",
        "step": "text",
        "reason": "text",
        "detail": "text",
        "compensated": "text[]",
        "order_id": "uuid",
        "started_at": "timestamptz",
        "ended_at": "timestamptz",
        "version": "bigint",
    },
)
REJECTIONS = Table(
    "rejections",
    key=("cart_id", "rejected_at", "reason"),
    columns={
        "cart_id": "uuid",
        "rejected_at": "timestamptz",
        "reason": "text",
        "customer_id": "uuid",
        "detail": "text",
        "checkout_id": "uuid",
        "version": "bigint",
    },
)
CARTS = Table(
    "carts",
    key=("cart_id",),
    columns={
        "cart_id": "uuid",
        "customer_id": "uuid",
        "items": "jsonb",
        "subtotal": "bigint",
        "discount": "bigint",
        "total": "bigint",
        "currency": "text",
        "checked_out_at": "timestamptz",
        "version": "bigint",
    },
)


def started(event: CheckoutStarted, _place: Place) -> list[Change]:
    return [
        (
            CHECKOUTS,
            {
                "checkout_id": event.checkoutId,
                "cart_id": event.cartId,
                "attempt": event.attempt,
                "customer_id": event.customerId,
                "total": event.total,
                "currency": event.currency,
                "started_at": event.startedAt,
            },
        )
    ]


def completed(event: CheckoutCompleted, _place: Place) -> list[Change]:
    return [
        (
            CHECKOUTS,
            {
                "checkout_id": event.checkoutId,
                "cart_id": event.cartId,
                "customer_id": event.customerId,
                "total": event.total,
                "currency": event.currency,
                "order_id": event.orderId,
                "ended_at": event.completedAt,
            },
        )
    ]


def failed(event: CheckoutFailed, _place: Place) -> list[Change]:
    return [
        (
            CHECKOUTS,
            {
                "checkout_id": event.checkoutId,
                "cart_id": event.cartId,
                "customer_id": event.customerId,
                "step": event.step,
                "reason": event.reason,
                "detail": event.detail,
                "compensated": event.compensated,
                "ended_at": event.failedAt,
            },
        )
    ]


def rejected(event: CheckoutRejected, _place: Place) -> list[Change]:
    return [
        (
            REJECTIONS,
            {
                "cart_id": event.cartId,
                "rejected_at": event.rejectedAt,
                "reason": event.reason,
                "customer_id": event.customerId,
                "detail": event.detail,
                "checkout_id": event.checkoutId,
            },
        )
    ]


def checked_out(event: CartCheckedOut, _place: Place) -> list[Change]:
    """Said whole: a cart that is checked out once more without a discount has none."""
    subtotal = event.subtotal
    if subtotal is None:  # a sum beyond every amount is not believed, here as anywhere
        subtotal = min(sum(item.quantity * item.unitPrice for item in event.items), LONG_MAX)
    return [
        (
            CARTS,
            {
                "cart_id": event.cartId,
                "customer_id": event.customerId,
                "items": [item.model_dump() for item in event.items],
                "subtotal": subtotal,
                "discount": event.discount or 0,
                "total": event.total,
                "currency": event.currency,
                "checked_out_at": event.occurredAt,
            },
        )
    ]


MODEL = ReadModel(
    "checkouts",
    (CHECKOUTS, REJECTIONS, CARTS),
    {
        CheckoutStarted: started,
        CheckoutCompleted: completed,
        CheckoutFailed: failed,
        CheckoutRejected: rejected,
        CartCheckedOut: checked_out,
    },
)
