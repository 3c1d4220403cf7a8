"""A service that counts what comes for a key and passes it on; enough to see a loss, a repeat, a step back."""

from dataclasses import dataclass

from schemas.orders import ConfirmOrder, OrderConfirmed
from streams.decision import Decision
from streams.service import Service


@dataclass(frozen=True, slots=True)
class Count:
    """How many came, and the sum of what they carried: a fold that a loss or a repeat would change."""

    number: int = 0
    total: int = 0


def decide(state: Count | None, message: ConfirmOrder, at: int) -> Decision[Count]:
    before = state or Count()
    worth = int(message.inventoryReservationId or 0)
    after = Count(before.number + 1, before.total + worth)
    passed_on = OrderConfirmed(
        orderId=message.orderId,
        customerId=message.orderId,
        confirmationNumber=f"ORD-{after.number:08d}",
        total=after.total,
        currency="EUR",
        confirmedAt=at,
    )
    return Decision(after, sends=(passed_on,))


def counter(name: str) -> Service[Count, ConfirmOrder]:
    return Service(name=name, state=Count, decide=decide, sends=(OrderConfirmed,))
