"""One payment, as its messages and the gateway tell it."""

from agents.payments.gateway import Authorized, Captured, CaptureRefused, Declined, Refunded, Voided
from agents.payments.service import payments
from agents.payments.state import Payment
from schemas.examples import example_of
from schemas.identity import derived_id
from schemas.orders import OrderCancelled, OrderCompleted
from schemas.payments import (
    AuthorizePayment,
    CapturePayment,
    PaymentFailureReason,
    RefundPayment,
    VoidPayment,
)
from streams.decision import Performed
from tests.agents.talk import Talk

AUTHORIZE, CAPTURE = example_of(AuthorizePayment), example_of(CapturePayment)
VOID, REFUND, CANCELLED = example_of(VoidPayment), example_of(RefundPayment), example_of(OrderCancelled)
COMPLETED = example_of(OrderCompleted)
PAYMENT, CUSTOMER, AMOUNT = CAPTURE.paymentId, AUTHORIZE.customerId, AUTHORIZE.amount
REFUND_ID = derived_id("refund", PAYMENT)

AUTHORIZED = Performed("payments/1", Authorized("auth-1", "approved"))
DECLINED = Performed("payments/1", Declined(PaymentFailureReason.EXPIRED_CARD))
CAPTURED = Performed("payments/2", Captured(AMOUNT))
REFUSED = Performed("payments/2", CaptureRefused(PaymentFailureReason.CARD_DECLINED))
VOIDED = Performed("payments/3", Voided("auth-1"))
REFUNDED = Performed("payments/3", Refunded(AMOUNT))

UNDOS = (VOID, REFUND, CANCELLED)


def taking(amount: int) -> CapturePayment:
    return CAPTURE.model_copy(update={"amount": amount})


def a_payment() -> Talk[Payment]:
    return Talk(payments)
