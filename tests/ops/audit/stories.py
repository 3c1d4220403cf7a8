"""What the real services say of a few customers, to be spoilt in one place."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar, get_args

from agents.catalogue import SERVICES
from agents.payments.gateway import Effect
from ops.audit import Rule, violations
from ops.audit.shelves import STOCKTAKE
from ops.gateway.behaviour import CALM, Behaviour
from ops.gateway.ledger import Ledger, Movement
from ops.gateway.simulated import SimulatedGateway
from schemas.examples import CHECKED_OUT_AT, LINES, example_of
from schemas.identity import derived_id
from schemas.inventory import AddInventory, ReserveInventory, StockLine
from schemas.message import Message, Meta
from schemas.orders import CancelOrder
from schemas.shopping import CartCheckedOut
from schemas.topics import TOPICS
from streams.memory.task import Slowly
from streams.memory.twin import Twin

M = TypeVar("M", bound=Message)

CART = example_of(CartCheckedOut)
CANCEL = example_of(CancelOrder)
CUP = LINES[0]["productId"]
_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Story:
    messages: tuple[Message, ...]
    ledger: tuple[Movement, ...]

    def broken(self) -> set[Rule]:
        return {violation.rule for violation in violations(self.messages, self.ledger)}

    def first(self, kind: type[M]) -> M:
        return next(message for message in self.messages if isinstance(message, kind))

    def without(self, *kinds: type[Message]) -> "Story":
        return replace(self, messages=tuple(each for each in self.messages if not isinstance(each, kinds)))

    def changed(self, kind: type[Message], change: Callable[[Any], Message]) -> "Story":
        """The first of a kind."""
        first = self.first(kind)
        return replace(self, messages=tuple(change(each) if each is first else each for each in self.messages))

    def unmoved(self, outcome: type) -> "Story":
        """The gateway never did it."""
        return replace(self, ledger=tuple(each for each in self.ledger if not isinstance(each.outcome, outcome)))

    def and_also(self, *messages: Message) -> "Story":
        """Each with an id of its own."""
        fresh = tuple(
            message.model_copy(update={"meta": Meta(messageId=f"also {number}")})
            for number, message in enumerate(messages)
        )
        return replace(self, messages=self.messages + fresh)


def add(product: str, quantity: int) -> AddInventory:
    return AddInventory(
        productId=product, quantity=quantity, warehouseId=derived_id("warehouse"), timestamp=CHECKED_OUT_AT
    )


def told(*turns: Message, behaviour: Behaviour = CALM, in_stock: int = 10) -> Story:
    """Each turn is published when all is quiet after the one before."""
    with closing(Ledger()) as ledger:
        gateway = SimulatedGateway(ledger, behaviour, answer=Slowly, clock=lambda: twin.now)
        services: Sequence[Any] = SERVICES
        twin = Twin(services, perform=dict.fromkeys(get_args(Effect), gateway.perform))
        twin.advance(CHECKED_OUT_AT)
        shop = [add(line["productId"], in_stock) for line in LINES]
        for number, message in enumerate((*shop, *turns)):
            twin.publish(message.model_copy(update={"meta": Meta(messageId=f"turn {number}")}))
            twin.run(until=twin.now + 1_000)
        twin.run(until=twin.now + _HOUR)
        return Story(tuple(message for topic in TOPICS for message in twin.messages(topic)), tuple(ledger.movements()))


COUNT = ReserveInventory(
    reservationId=derived_id("stocktake"),
    cartId=derived_id("stocktake"),
    items=(StockLine(productId=CUP, quantity=STOCKTAKE),),
)


@cache
def completed() -> Story:
    return told(CART)


@cache
def failed() -> Story:
    """The money could not be taken, so all of it is undone."""
    return told(CART, behaviour=Behaviour(refused=1.0))


@cache
def cancelled() -> Story:
    """After it was bought."""
    return told(CART, CANCEL)


@cache
def sold_out() -> Story:
    return told(CART, in_stock=2)


@cache
def counted() -> Story:
    return told(CART, CANCEL, COUNT)
