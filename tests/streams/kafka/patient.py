"""A service with deadlines and calls to the outside, and a decider that can be told to wait."""

from dataclasses import dataclass, field

from schemas.orders import ConfirmOrder, OrderConfirmed
from streams.decision import Decision, Performed, Wake
from streams.service import Service


@dataclass(frozen=True, slots=True)
class Charge:
    order_id: str


@dataclass(frozen=True, slots=True)
class Order:
    """What came of it, in order."""

    id: str
    said: tuple[str, ...] = field(default=())


def decide(state: Order | None, message: ConfirmOrder | Performed[str] | Wake, at: int) -> Decision[Order]:
    """`in N`: be woken N millis later; `charge`: ask the outside; `forget`: forget; anything else is noted."""
    match message:
        case Wake():
            assert state is not None
            return _noted(state, "woken", at)
        case Performed():
            assert state is not None
            return _noted(state, message.outcome, at)
        case ConfirmOrder():
            order, wish = state or Order(message.orderId), message.inventoryReservationId or ""
            match wish.split():
                case ["in", millis]:
                    return Decision(order, timer=at + int(millis))
                case ["charge"]:
                    return Decision(order, effects=(Charge(message.orderId),))
                case ["forget"]:
                    return Decision(None)
            return _noted(order, wish, at)


def _noted(order: Order, word: str, at: int) -> Decision[Order]:
    after = Order(order.id, (*order.said, word))
    confirmed = OrderConfirmed(
        orderId=order.id,
        customerId=order.id,
        confirmationNumber=f"ORD-{len(after.said):08d}",
        inventoryReservationId=word,
        total=1,
        currency="EUR",
        confirmedAt=at,
    )
    return Decision(after, sends=(confirmed,))


patient = Service(name="patient", state=Order, decide=decide, sends=(OrderConfirmed,), effects=(Charge,))
