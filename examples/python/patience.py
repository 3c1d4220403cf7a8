"""A service that cancels an order which nobody confirms within half an hour."""

from dataclasses import dataclass
from typing import assert_never

from schemas.orders import CancellationReason, CancelOrder, OrderCancelled, OrderConfirmed, OrderCreated
from streams.decision import Decision, Wake
from streams.service import Service

PATIENCE = 30 * 60 * 1_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that was created and not settled yet."""

    order_id: str


def decide(
    state: Waiting | None, message: OrderCreated | OrderConfirmed | OrderCancelled | Wake, at: int
) -> Decision[Waiting]:
    match message:
        case OrderCreated():
            return Decision(Waiting(message.orderId), timer=at + PATIENCE)
        case OrderConfirmed() | OrderCancelled():
            return Decision(None)
        case Wake():
            # Only a key that waits is woken, but the types don't say so.
            return Decision(None, sends=(cancelled(state),) if state else ())
        case _:
            assert_never(message)


def cancelled(order: Waiting) -> CancelOrder:
    return CancelOrder(orderId=order.order_id, reason=CancellationReason.CUSTOMER_REQUESTED)


patience = Service(name="patience", state=Waiting, decide=decide, sends=(CancelOrder,))
