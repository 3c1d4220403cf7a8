"""One checkout as the orchestrator sees it: what it hears, what it answers, and how time passes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from agents.orchestrator.place_order import place_order
from agents.orchestrator.service import orchestrator
from agents.orchestrator.state import Checkout
from schemas.checkout import CheckoutStep, StartCheckout
from schemas.examples import example_of
from schemas.inventory import (
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    ReleaseInventory,
    ReleaseReason,
    ReserveInventory,
)
from schemas.message import Message
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
)
from schemas.payments import (
    AuthorizePayment,
    CaptureFailed,
    CapturePayment,
    PaymentCaptured,
    PaymentFailed,
    PaymentOutcome,
    PaymentProcessed,
    PaymentVoided,
    RefundPayment,
    RefundProcessed,
    VoidPayment,
)
from streams.decision import Performed, Wake
from tests.agents.talk import Talk

STEPS = tuple(step.name for step in place_order.steps)
RESERVE, AUTHORIZE, CREATE, CAPTURE, CONFIRM = STEPS

START = example_of(StartCheckout)
RESERVED, UNAVAILABLE = example_of(InventoryReserved), example_of(InventoryUnavailable)
PROCESSED = example_of(PaymentProcessed).model_copy(update={"status": PaymentOutcome.CONFIRMED})
PENDING = PROCESSED.model_copy(update={"status": PaymentOutcome.PENDING})
DECLINED = example_of(PaymentFailed)
CREATED, REJECTED, CONFIRMED = example_of(OrderCreated), example_of(OrderRejected), example_of(OrderConfirmed)
CAPTURED, NOT_CAPTURED = example_of(PaymentCaptured), example_of(CaptureFailed)
RELEASED = example_of(InventoryReleased)
EXPIRED = RELEASED.model_copy(update={"reason": ReleaseReason.EXPIRED})
VOIDED, REFUNDED, CANCELLED = example_of(PaymentVoided), example_of(RefundProcessed), example_of(OrderCancelled)


class Part(NamedTuple):
    """What is said about a step."""

    ask: type[Message]
    ok: Message
    no: Message | None
    undo: type[Message]
    undone: Message


PARTS = {
    RESERVE: Part(ReserveInventory, RESERVED, UNAVAILABLE, ReleaseInventory, RELEASED),
    AUTHORIZE: Part(AuthorizePayment, PROCESSED, DECLINED, VoidPayment, VOIDED),
    CREATE: Part(CreateOrder, CREATED, REJECTED, CancelOrder, CANCELLED),
    CAPTURE: Part(CapturePayment, CAPTURED, NOT_CAPTURED, RefundPayment, REFUNDED),
    CONFIRM: Part(ConfirmOrder, CONFIRMED, None, CancelOrder, CANCELLED),
}


class Saga(Talk[Checkout]):
    """Of one checkout."""

    def __init__(self, *heard: Message) -> None:
        super().__init__(orchestrator)
        #: All that it ever sent.
        self.sent: list[Message] = []
        self.after(*heard)

    def hear(self, message: Message | Performed[Any] | Wake) -> tuple[Message, ...]:
        sent = super().hear(message)
        self.sent += sent
        return sent

    def hears(self, *messages: Message) -> list[Message]:
        """What is sent because of them."""
        return [sent for message in messages for sent in self.hear(message)]

    def silences(self, times: int) -> list[Message]:
        return [sent for _ in range(times) for sent in self.silence()]

    @property
    def checkout(self) -> Checkout:
        assert self.state is not None
        return self.state


def asked(step: CheckoutStep) -> Saga:
    """A saga that waits for the answer to this step, all before it done."""
    return Saga(START, *(PARTS[each].ok for each in STEPS[: STEPS.index(step)]))


def kinds(messages: Sequence[Message]) -> list[type[Message]]:
    return [type(message) for message in messages]
