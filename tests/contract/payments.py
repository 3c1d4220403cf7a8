"""A small service that asks the outside for money, and what the outside may answer."""

from dataclasses import dataclass

from schemas.payments import AuthorizePayment, PaymentFailed, PaymentFailureReason, PaymentVoided, VoidPayment
from streams.decision import Decision, Performed
from streams.service import Service


@dataclass(frozen=True)
class Charge:
    amount: int


@dataclass(frozen=True)
class Refused:
    reason: PaymentFailureReason


@dataclass(frozen=True)
class Payment:
    amount: int
    answers: int = 0


def decide(
    state: Payment | None, message: AuthorizePayment | VoidPayment | Performed[Refused | None], at: int
) -> Decision[Payment]:
    match message:
        case AuthorizePayment():
            return Decision(Payment(message.amount), effects=(Charge(message.amount),))
        case VoidPayment():  # gives up whatever is open, by forgetting the key
            return Decision(
                None, sends=(PaymentVoided(paymentId=message.paymentId, orderId=message.orderId, voidedAt=at),)
            )
        case Performed(effect_id=effect_id, outcome=Refused(reason=reason)) if state is not None:
            payment_id = effect_id.split("/")[1]
            failed = PaymentFailed(paymentId=payment_id, orderId=payment_id, reason=reason, failedAt=at)
            return Decision(Payment(state.amount, state.answers + 1), sends=(failed,))
        case Performed():
            assert state is not None
            return Decision(Payment(state.amount, state.answers + 1))


payments = Service(
    name="payments", state=Payment, decide=decide, sends=(PaymentFailed, PaymentVoided), effects=(Charge,)
)
