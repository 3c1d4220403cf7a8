"""A service that asks the outside, and who performs it: for a worker in a process of its own."""

from dataclasses import dataclass

from schemas.orders import ConfirmOrder, OrderConfirmed
from streams.decision import Decision, Performed
from streams.effects import Policy
from streams.hosting import Hosted
from streams.service import Service


@dataclass(frozen=True, slots=True)
class Charge:
    order_id: str


def decide(state: str | None, message: ConfirmOrder | Performed[str], at: int) -> Decision[str]:
    if isinstance(message, ConfirmOrder):
        return Decision(message.orderId, effects=(Charge(message.orderId),))
    confirmed = OrderConfirmed(
        orderId=state or "",
        customerId=state or "",
        confirmationNumber="ORD-00000001",
        paymentAuthorizationId=message.outcome,
        total=1,
        currency="EUR",
        confirmedAt=at,
    )
    return Decision(state, sends=(confirmed,))


def charge(effect: Charge, effect_id: str) -> str:
    return f"charged {effect.order_id}"


service = Service(name="charging", state=str, decide=decide, sends=(OrderConfirmed,), effects=(Charge,))
charging = Hosted(service, perform={Charge: charge}, policies={Charge: Policy(at_once=1)})
