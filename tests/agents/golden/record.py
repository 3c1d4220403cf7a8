"""Records the histories that are missing: `python -m tests.agents.golden.record`.

One that is there stays as it is; docs/decisions/0010 says when it is right to remove it first.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, get_args

from agents.payments.gateway import Effect
from ops.gateway.behaviour import CALM, Behaviour
from ops.gateway.hosting import POLICY
from ops.gateway.ledger import Ledger
from ops.gateway.simulated import SimulatedGateway
from schemas.checkout import CheckoutCompleted
from schemas.examples import CART, CHECKED_OUT_AT, CHECKOUT, CUSTOMER, LINES, example_of
from schemas.inventory import AddInventory, ReserveInventory
from schemas.message import Message
from schemas.orders import CancellationReason, CancelOrder, ConfirmOrder, CreateOrder, OrderLine
from schemas.payments import AuthorizePayment, CapturePayment, PaymentFailureReason
from schemas.shopping import CartCheckedOut, CheckoutCart
from streams.decision import Decision
from streams.memory.task import Slowly
from streams.memory.twin import Twin
from streams.service import Service
from tests.agents.golden.histories import HERE, SERVICES, Heard, Line, text

CANCEL = CancelOrder(orderId=CHECKOUT, reason=CancellationReason.CUSTOMER_REQUESTED)
#: Somebody else's order, under the id that ours is going to have.
OTHER = CreateOrder(
    orderId=CHECKOUT,
    cartId=CART,
    customerId=CUSTOMER,
    items=(OrderLine(productId=LINES[0]["productId"], quantity=1, unitPrice=1),),
    total=1,
    currency="EUR",
)
#: Until the undoing is over, and before what has ended is forgotten.
ENOUGH = 6 * 3_600_000


@dataclass(frozen=True, slots=True)
class Story:
    """One cart and its fate."""

    behaviour: Behaviour = CALM
    #: Of each product.
    pieces: int = 10
    #: Published the moment that a message of this type is decided on, before anybody reads that.
    meanwhile: Mapping[type[Message], Message] = field(default_factory=dict)


def _away(*, after: int = 0, minutes: int) -> Behaviour:
    """A gateway that is away for so long, so many millis after the cart was checked out."""
    return Behaviour(latency=(100, 100), outage=minutes * 60_000, outage_every=CHECKED_OUT_AT + after)


STORIES: Mapping[str, Story] = {
    "happy": Story(),
    "out-of-stock": Story(pieces=1),
    "payment-declined": Story(Behaviour(declined={PaymentFailureReason.INSUFFICIENT_FUNDS: 1.0})),
    "order-rejected": Story(meanwhile={AuthorizePayment: OTHER}),
    "capture-failed": Story(Behaviour(refused=1.0)),
    "authorization-timed-out": Story(_away(minutes=10)),
    "authorization-given-up": Story(_away(minutes=60)),
    "capture-timed-out": Story(_away(after=50, minutes=10)),
    "cancelled-while-reserving": Story(meanwhile={ReserveInventory: CANCEL}),
    "cancelled-while-authorizing": Story(meanwhile={AuthorizePayment: CANCEL}),
    "cancelled-while-creating": Story(meanwhile={CreateOrder: CANCEL}),
    "cancelled-while-capturing": Story(meanwhile={CapturePayment: CANCEL}),
    "cancelled-while-confirming": Story(meanwhile={ConfirmOrder: CANCEL}),
    "cancelled-after-completion": Story(meanwhile={CheckoutCompleted: CANCEL}),
}


def recorded(story: Story) -> list[Line]:
    """All that was decided, in the order in which it was."""
    lines: list[Line] = []
    meanwhile = dict(story.meanwhile)

    def hear(line: Line) -> None:
        lines.append(line)
        for sent in line.decision.sends:
            if (event := meanwhile.pop(type(sent), None)) is not None:
                twin.publish(event)

    with closing(Ledger()) as ledger:
        gateway = SimulatedGateway(ledger, story.behaviour, answer=Slowly, clock=lambda: twin.now)
        twin = Twin(
            [_overheard(service, hear) for service in SERVICES.values()],
            partitions=1,
            perform=dict.fromkeys(get_args(Effect), gateway.perform),
            policies=dict.fromkeys(get_args(Effect), POLICY),
        )
        twin.advance(CHECKED_OUT_AT)
        for line in LINES:
            added = example_of(AddInventory).model_copy(
                update={"productId": line["productId"], "quantity": story.pieces}
            )
            twin.publish(added)
        twin.run(until=twin.now)
        twin.publish(example_of(CheckoutCart))
        twin.publish(example_of(CartCheckedOut))
        twin.run(until=twin.now + ENOUGH)
    assert not twin.dead_letters
    return lines


def _overheard(service: Service[Any, Any], hear: Callable[[Line], None]) -> Service[Any, Any]:
    states: dict[str, Any] = {}

    @wraps(service.decide)
    def decide(state: Any, message: Heard, at: int) -> Any:
        decision = service.decide(state, message, at)
        assert isinstance(decision, Decision)
        # Only a message of the contract names its key; whatever else is heard is heard by a key that is known.
        key = message.record_key if isinstance(message, Message) else _known(states, state)
        assert key is not None
        states[key] = decision.state
        hear(Line(service.name, key, at, message, decision))
        return decision

    return replace(service, decide=decide)


def _known(states: Mapping[str, Any], state: Any) -> str:
    return next(key for key, known in states.items() if known is state)


if __name__ == "__main__":
    for name, story in STORIES.items():
        if not (file := HERE / f"{name}.jsonl").exists():
            file.write_text(text(recorded(story)), "utf-8")
