"""Services that wait: for a deadline, and for a time at which they can decide."""

from dataclasses import dataclass

from schemas.orders import CancellationReason, CreateOrder, OrderCancelled
from streams.decision import Decision, Later, Wake
from streams.service import Service


@dataclass(frozen=True, slots=True)
class Alarm:
    order_id: str
    rung: int = 0


def decide_alarm(state: Alarm | None, message: CreateOrder | Wake, at: int) -> Decision[Alarm]:
    """Wake up `total` millis after the message came."""
    if isinstance(message, CreateOrder):
        return Decision(Alarm(message.orderId or ""), timer=at + message.total)
    assert state is not None
    rang = OrderCancelled(orderId=state.order_id, reason=CancellationReason.CUSTOMER_REQUESTED, cancelledAt=at)
    return Decision(Alarm(state.order_id, state.rung + 1), sends=(rang,))


@dataclass(frozen=True, slots=True)
class Visits:
    opened: tuple[int, ...] = ()


def decide_shop(state: Visits | None, message: CreateOrder, at: int) -> Decision[Visits] | Later:
    """Serve nobody before the time that `total` gives."""
    if at < message.total:
        return Later("the shop is not open yet")
    return Decision(Visits((*(state or Visits()).opened, message.total)))


alarm = Service(name="alarm", state=Alarm, decide=decide_alarm, sends=(OrderCancelled,))
shop = Service(name="shop", state=Visits, decide=decide_shop)
