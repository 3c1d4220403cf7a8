"""Checkouts and what was turned away, from checkout.events; the carts they came from, from carts.events."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from projections.folds.fold import Fold, Model, Place, Row, Table, latest
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected, CheckoutStarted
from schemas.shopping import CartCheckedOut
from schemas.types import LONG_MAX

CheckoutEvent = CheckoutStarted | CheckoutCompleted | CheckoutFailed

CHECKOUTS = Table(
    "checkouts",
    (
        "checkout_id", "cart_id", "attempt", "customer_id", "total", "currency", "status", "step", "reason", "detail",
        "compensated", "order_id", "started_at", "ended_at", "version",
    ),
    keys=1,
    by="cart_id",
)  # fmt: skip
REJECTIONS = Table(
    "rejections",
    ("cart_id", "rejected_at", "reason", "customer_id", "detail", "checkout_id", "version"),
    keys=3,
    by="cart_id",
)
CARTS = Table(
    "carts",
    ("cart_id", "customer_id", "items", "subtotal", "discount", "total", "currency", "checked_out_at", "version"),
    keys=1,
    by="cart_id",
)


@dataclass(frozen=True, slots=True)
class Checkout:
    """All that has been said of it."""

    checkout_id: str
    cart_id: str
    customer_id: str
    status: str = "STARTED"
    attempt: int | None = None
    total: int | None = None
    currency: str | None = None
    step: str | None = None
    reason: str | None = None
    detail: str | None = None
    compensated: tuple[str, ...] | None = None
    order_id: str | None = None
    started_at: int | None = None
    ended_at: int | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """What was turned away, and why."""

    event: CheckoutRejected
    version: int


@dataclass(frozen=True, slots=True)
class Cart:
    """As it was checked out last."""

    event: CartCheckedOut
    version: int


def fold_checkout(checkout: Checkout | None, event: CheckoutEvent, place: Place) -> Checkout:
    known = checkout or Checkout(event.checkoutId, event.cartId, event.customerId)
    known = replace(known, cart_id=event.cartId, customer_id=event.customerId, version=place.version)
    match event:
        case CheckoutStarted():
            return replace(
                known,
                attempt=event.attempt,
                total=event.total,
                currency=event.currency,
                started_at=event.startedAt,
            )
        case CheckoutCompleted():
            return replace(
                known,
                status="COMPLETED",
                order_id=event.orderId,
                total=event.total,
                currency=event.currency,
                ended_at=event.completedAt,
            )
        case CheckoutFailed():
            return replace(
                known,
                status="FAILED",
                step=event.step.value,
                reason=event.reason.value,
                detail=latest(event.detail, known.detail),
                compensated=tuple(step.value for step in event.compensated),
                ended_at=event.failedAt,
            )


def checkout_rows(checkout: Checkout) -> Iterator[Row]:
    yield Row(
        CHECKOUTS.name,
        (
            checkout.checkout_id,
            checkout.cart_id,
            checkout.attempt,
            checkout.customer_id,
            checkout.total,
            checkout.currency,
            checkout.status,
            checkout.step,
            checkout.reason,
            checkout.detail,
            checkout.compensated,
            checkout.order_id,
            checkout.started_at,
            checkout.ended_at,
            checkout.version,
        ),
    )


def rejection_rows(rejection: Rejection) -> Iterator[Row]:
    event = rejection.event
    yield Row(
        REJECTIONS.name,
        (
            event.cartId,
            event.rejectedAt,
            event.reason.value,
            event.customerId,
            event.detail,
            event.checkoutId,
            rejection.version,
        ),
    )


def cart_rows(cart: Cart) -> Iterator[Row]:
    event = cart.event
    items: tuple[dict[str, Any], ...] = tuple(item.model_dump() for item in event.items)
    yield Row(
        CARTS.name,
        (
            event.cartId,
            event.customerId,
            items,
            event.subtotal if event.subtotal is not None else _worth(event),
            event.discount or 0,
            event.total,
            event.currency,
            event.occurredAt,
            cart.version,
        ),
    )


def _worth(cart: CartCheckedOut) -> int:
    """Of its lines; no amount is larger than the largest."""
    return min(LONG_MAX, sum(line.unitPrice * line.quantity for line in cart.items))


MODEL = Model(
    "checkouts",
    (CHECKOUTS, REJECTIONS, CARTS),
    (
        Fold(
            (CheckoutStarted, CheckoutCompleted, CheckoutFailed),
            lambda event: event.checkoutId,
            fold_checkout,
            checkout_rows,
        ),
        Fold(
            (CheckoutRejected,),
            lambda event: f"{event.cartId}/{event.rejectedAt}/{event.reason}",
            lambda _before, event, place: Rejection(event, place.version),
            rejection_rows,
        ),
        Fold(
            (CartCheckedOut,),
            lambda event: event.cartId,
            lambda _before, event, place: Cart(event, place.version),
            cart_rows,
        ),
    ),
)
