"""Payments and their refunds, from payments.events.

How a payment stands follows from what has been said of it in all, not from what was said last: PaymentFailed answers a
request that comes after an undo, and PaymentVoided one that undoes a payment which was declined.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from projections.folds.fold import Fold, Model, Place, Row, Table, latest
from schemas.payments import (
    CaptureFailed,
    PaymentCaptured,
    PaymentFailed,
    PaymentInitiated,
    PaymentOutcome,
    PaymentProcessed,
    PaymentVoided,
    RefundProcessed,
    RefundRequested,
)

PaymentEvent = (
    PaymentInitiated
    | PaymentProcessed
    | PaymentFailed
    | PaymentCaptured
    | CaptureFailed
    | PaymentVoided
    | RefundRequested
    | RefundProcessed
)

PAYMENTS = Table(
    "payments",
    (
        "payment_id", "order_id", "customer_id", "transaction_id", "amount", "captured_amount", "currency", "method",
        "status", "failure_reason", "initiated_at", "authorized_at", "captured_at", "capture_failed_at", "failed_at",
        "voided_at", "refund_requested_at", "refunded_at", "changed_at", "version",
    ),
    keys=1,
    by="payment_id",
)  # fmt: skip
REFUNDS = Table(
    "refunds",
    ("refund_id", "payment_id", "amount", "currency", "status", "reason", "requested_at", "processed_at", "version"),
    keys=1,
    by="payment_id",
)


class Refund(NamedTuple):
    """Money on its way back, or back."""

    amount: int
    currency: str
    reason: str | None
    requested_at: int | None
    processed_at: int | None
    version: int


@dataclass(frozen=True, slots=True)
class Payment:
    """All that has been said of it."""

    payment_id: str
    order_id: str | None = None
    customer_id: str | None = None
    transaction_id: str | None = None
    amount: int | None = None
    captured_amount: int | None = None
    currency: str | None = None
    method: str | None = None
    #: What the gateway objected to last; the payment may have come further since.
    failure_reason: str | None = None
    initiated_at: int | None = None
    authorized_at: int | None = None
    captured_at: int | None = None
    capture_failed_at: int | None = None
    failed_at: int | None = None
    voided_at: int | None = None
    refund_requested_at: int | None = None
    refunded_at: int | None = None
    refunds: Mapping[str, Refund] = field(default_factory=dict)
    changed_at: int = 0
    version: int = 0

    @property
    def status(self) -> str:
        """The furthest that it has come on its way there and back."""
        if self.refunded_at is not None:
            return "REFUNDED"
        if self.refund_requested_at is not None:
            return "REFUNDING"
        if self.captured_at is not None:
            return "CAPTURED"
        if self.voided_at is not None:
            return "VOIDED"
        if self.capture_failed_at is not None and self.capture_failed_at >= (self.authorized_at or 0):
            return "CAPTURE_FAILED"
        if self.authorized_at is not None:
            return "AUTHORIZED"
        return "PENDING" if self.failed_at is None else "FAILED"


def fold(payment: Payment | None, event: PaymentEvent, place: Place) -> Payment:
    known = payment or Payment(subject(event))
    return replace(_said(known, event, place), changed_at=place.at, version=place.version)


def subject(event: PaymentEvent) -> str:
    """A payment has the id of its order: two of its events name it by that."""
    return event.orderId if isinstance(event, PaymentInitiated | PaymentProcessed) else event.paymentId


def _said(payment: Payment, event: PaymentEvent, place: Place) -> Payment:
    match event:
        case PaymentInitiated():
            return replace(payment, order_id=event.orderId, customer_id=event.userId, initiated_at=event.timestamp)
        case PaymentProcessed():
            return _processed(payment, event)
        case PaymentFailed():
            return replace(payment, order_id=event.orderId, failure_reason=event.reason.value, failed_at=event.failedAt)
        case CaptureFailed():
            return replace(
                payment, order_id=event.orderId, failure_reason=event.reason.value, capture_failed_at=event.failedAt
            )
        case PaymentCaptured():
            return replace(
                payment,
                order_id=event.orderId,
                captured_amount=event.amount,
                currency=event.currency,
                captured_at=event.capturedAt,
            )
        case PaymentVoided():
            return replace(payment, order_id=event.orderId, voided_at=event.voidedAt)
        case RefundRequested():
            return replace(
                payment,
                order_id=event.orderId or payment.order_id,
                refund_requested_at=event.requestedAt,
                refunds={**payment.refunds, event.refundId: _refund(payment, event, place)},
            )
        case RefundProcessed():
            return replace(
                payment,
                refunded_at=event.processedAt,
                refunds={**payment.refunds, event.refundId: _refund(payment, event, place)},
            )


def _processed(payment: Payment, event: PaymentProcessed) -> Payment:
    known = replace(
        payment,
        order_id=event.orderId,
        customer_id=event.userId,
        transaction_id=event.transactionId,
        amount=event.amount,
        currency=event.currency,
        method=event.paymentMethod.value,
    )
    match event.status:
        case PaymentOutcome.CONFIRMED:
            return replace(known, authorized_at=event.timestamp)
        case PaymentOutcome.FAILED:
            return replace(known, failed_at=event.timestamp)
        case _:
            return known


def _refund(payment: Payment, event: RefundRequested | RefundProcessed, place: Place) -> Refund:
    known = payment.refunds.get(event.refundId, Refund(0, "", None, None, None, 0))
    known = known._replace(amount=event.amount, currency=event.currency, version=place.version)
    if isinstance(event, RefundRequested):
        return known._replace(reason=latest(event.reason, known.reason), requested_at=event.requestedAt)
    return known._replace(processed_at=event.processedAt)


def rows(payment: Payment) -> Iterator[Row]:
    yield Row(
        PAYMENTS.name,
        (
            payment.payment_id,
            payment.order_id,
            payment.customer_id,
            payment.transaction_id,
            payment.amount,
            payment.captured_amount,
            payment.currency,
            payment.method,
            payment.status,
            payment.failure_reason,
            payment.initiated_at,
            payment.authorized_at,
            payment.captured_at,
            payment.capture_failed_at,
            payment.failed_at,
            payment.voided_at,
            payment.refund_requested_at,
            payment.refunded_at,
            payment.changed_at,
            payment.version,
        ),
    )
    for refund_id, refund in payment.refunds.items():
        status = "REQUESTED" if refund.processed_at is None else "PROCESSED"
        yield Row(
            REFUNDS.name,
            (
                refund_id,
                payment.payment_id,
                refund.amount,
                refund.currency,
                status,
                refund.reason,
                refund.requested_at,
                refund.processed_at,
                refund.version,
            ),
        )


MODEL = Model(
    "payments",
    (PAYMENTS, REFUNDS),
    (
        Fold(
            (
                PaymentInitiated,
                PaymentProcessed,
                PaymentFailed,
                PaymentCaptured,
                CaptureFailed,
                PaymentVoided,
                RefundRequested,
                RefundProcessed,
            ),
            subject,
            fold,
            rows,
        ),
    ),
)
