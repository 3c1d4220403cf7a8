"""What is said of a payment, made from what is kept of it: said again, it is the same."""

from agents.payments.state import Payment
from schemas.identity import derived_id
from schemas.payments import (
    CaptureFailed,
    GatewayConfirmation,
    PaymentCaptured,
    PaymentFailed,
    PaymentFailureReason,
    PaymentMethod,
    PaymentOutcome,
    PaymentProcessed,
    PaymentVoided,
    RefundProcessed,
    RefundRequested,
)


def processed(payment: Payment) -> PaymentProcessed:
    return PaymentProcessed(
        # The gateway's own name for it may be any text.
        transactionId=derived_id("transaction", payment.authorization_id),
        userId=payment.customer_id,
        orderId=payment.payment_id,
        amount=payment.amount,
        currency=payment.currency,
        paymentMethod=PaymentMethod.CREDIT_CARD,
        status=PaymentOutcome.CONFIRMED,
        confirmationDetails=GatewayConfirmation(
            gatewayResponse=payment.gateway_response, transactionId=payment.authorization_id
        ),
        timestamp=payment.authorized_at,
    )


def failed(payment: Payment, reason: PaymentFailureReason, at: int) -> PaymentFailed:
    return PaymentFailed(paymentId=payment.payment_id, orderId=payment.payment_id, reason=reason, failedAt=at)


def captured(payment: Payment) -> PaymentCaptured:
    return PaymentCaptured(
        paymentId=payment.payment_id,
        orderId=payment.payment_id,
        amount=payment.captured,
        currency=payment.currency,
        capturedAt=payment.captured_at,
    )


def capture_failed(payment: Payment, reason: PaymentFailureReason, at: int) -> CaptureFailed:
    return CaptureFailed(paymentId=payment.payment_id, orderId=payment.payment_id, reason=reason, failedAt=at)


def voided(payment: Payment) -> PaymentVoided:
    """Nothing has been held since: since it was let go of, or declined, or given up before it was asked for."""
    return PaymentVoided(paymentId=payment.payment_id, orderId=payment.payment_id, voidedAt=payment.since)


def refund_requested(payment: Payment) -> RefundRequested:
    return RefundRequested(
        refundId=refund_id(payment),
        paymentId=payment.payment_id,
        orderId=payment.payment_id,
        amount=payment.captured,
        currency=payment.currency,
        reason=payment.undone_for,
        requestedAt=payment.since,
    )


def refunded(payment: Payment) -> RefundProcessed:
    return RefundProcessed(
        refundId=refund_id(payment),
        paymentId=payment.payment_id,
        amount=payment.captured,
        currency=payment.currency,
        processedAt=payment.since,
    )


def refund_id(payment: Payment) -> str:
    """One for the payment, whoever asks and however often: what was taken goes back once, and whole."""
    return derived_id("refund", payment.payment_id)
