"""The declaration."""

from agents.payments.decider import decide
from agents.payments.gateway import Authorize, Capture, Refund, Void
from agents.payments.state import Payment
from schemas.payments import (
    CaptureFailed,
    PaymentCaptured,
    PaymentFailed,
    PaymentProcessed,
    PaymentVoided,
    RefundProcessed,
    RefundRequested,
)
from streams.service import Service

payments = Service(
    name="payments",
    state=Payment,
    decide=decide,
    sends=(
        PaymentProcessed,
        PaymentFailed,
        PaymentCaptured,
        CaptureFailed,
        PaymentVoided,
        RefundRequested,
        RefundProcessed,
    ),
    effects=(Authorize, Capture, Void, Refund),
)
