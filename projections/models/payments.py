"""Payments: what is held, taken, let go of and given back."""

from projections.models.model import Change, Place, ReadModel, Table
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

PAYMENTS = Table(
    "payments",
    key=("payment_id",),
    columns={
        "payment_id": "uuid",
        "order_id": "uuid",
        "customer_id": "uuid",
        "transaction_id": "uuid",
        "amount": "bigint",
        "captured_amount": "bigint",
        "currency": "text",
        "method": "text",
        "failure_reason": "text",
        "initiated_at": "timestamptz",
        "authorized_at": "timestamptz",
        "captured_at": "timestamptz",
        "capture_failed_at": "timestamptz",
        "failed_at": "timestamptz",
        "voided_at": "timestamptz",
        "refund_requested_at": "timestamptz",
        "refunded_at": "timestamptz",
        "changed_at": "timestamptz",
        "version": "bigint",
    },
)
REFUNDS = Table(
    "refunds",
    key=("refund_id",),
    columns={
        "refund_id": "uuid",
        "payment_id": "uuid",
        "amount": "bigint",
        "currency": "text",
        "reason": "text",
        "requested_at": "timestamptz",
        "processed_at": "timestamptz",
        "version": "bigint",
    },
)


def _payment(payment_id: str, place: Place, order_id: str | None, **said: str | int | None) -> Change:
    return PAYMENTS, {"payment_id": payment_id, "order_id": order_id, "changed_at": place.at, **said}


def initiated(event: PaymentInitiated, place: Place) -> list[Change]:
    """How much, and how it is paid, is known when somebody answers: a late one of these must not say it again."""
    return [
        _payment(
            event.orderId,
            place,
            event.orderId,
            customer_id=event.userId,
            initiated_at=event.timestamp,
        )
    ]


def processed(event: PaymentProcessed, place: Place) -> list[Change]:
    """Only confirmed money counts; a pending answer says who and how much, and no more."""
    when = {PaymentOutcome.CONFIRMED: "authorized_at", PaymentOutcome.FAILED: "failed_at"}.get(event.status)
    return [
        _payment(
            event.orderId,
            place,
            event.orderId,
            customer_id=event.userId,
            transaction_id=event.transactionId,
            amount=event.amount,
            currency=event.currency,
            method=event.paymentMethod,
            **({} if when is None else {when: event.timestamp}),
        )
    ]


def failed(event: PaymentFailed, place: Place) -> list[Change]:
    return [_payment(event.paymentId, place, event.orderId, failure_reason=event.reason, failed_at=event.failedAt)]


def captured(event: PaymentCaptured, place: Place) -> list[Change]:
    return [
        _payment(
            event.paymentId,
            place,
            event.orderId,
            captured_amount=event.amount,
            currency=event.currency,
            captured_at=event.capturedAt,
        )
    ]


def capture_failed(event: CaptureFailed, place: Place) -> list[Change]:
    return [
        _payment(event.paymentId, place, event.orderId, failure_reason=event.reason, capture_failed_at=event.failedAt)
    ]


def voided(event: PaymentVoided, place: Place) -> list[Change]:
    return [_payment(event.paymentId, place, event.orderId, voided_at=event.voidedAt)]


def refund_requested(event: RefundRequested, place: Place) -> list[Change]:
    return [
        _payment(event.paymentId, place, event.orderId, refund_requested_at=event.requestedAt),
        (
            REFUNDS,
            {
                "refund_id": event.refundId,
                "payment_id": event.paymentId,
                "amount": event.amount,
                "currency": event.currency,
                "reason": event.reason,
                "requested_at": event.requestedAt,
            },
        ),
    ]


def refunded(event: RefundProcessed, place: Place) -> list[Change]:
    return [
        _payment(event.paymentId, place, None, refunded_at=event.processedAt),
        (
            REFUNDS,
            {
                "refund_id": event.refundId,
                "payment_id": event.paymentId,
                "amount": event.amount,
                "currency": event.currency,
                "processed_at": event.processedAt,
            },
        ),
    ]


MODEL = ReadModel(
    "payments",
    (PAYMENTS, REFUNDS),
    {
        PaymentInitiated: initiated,
        PaymentProcessed: processed,
        PaymentFailed: failed,
        PaymentCaptured: captured,
        CaptureFailed: capture_failed,
        PaymentVoided: voided,
        RefundRequested: refund_requested,
        RefundProcessed: refunded,
    },
)
