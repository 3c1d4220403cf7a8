"""The service that the scenarios run: it counts orders by key, confirms them, and can be made to stumble or to wait."""

import fcntl
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from schemas.examples import example_of
from schemas.message import Meta
from schemas.orders import CreateOrder, OrderConfirmed
from schemas.topics import PARTITIONS
from streams.decision import Decision, Performed
from streams.partitioner import partition_of
from streams.service import Service

#: The totals of orders that are not like the others: one can't be decided, one has to be asked for outside.
POISON, OUTSIDE = 13, 17
#: Names the file whose lock the outside waits for: a scenario holds it for as long as nobody shall get an answer.
GATE = "WOUNDS_GATE"
#: Beside it lies the list of what was asked.
ASKED = "asked"
#: Says how long stock Faust may go without a poll, where a scenario wants it short.
MAX_POLL = "WOUNDS_MAX_POLL_SECONDS"

_EXAMPLE = example_of(OrderConfirmed)


@dataclass(frozen=True, slots=True)
class Tally:
    """How often an order was met."""

    order: str
    met: int


@dataclass(frozen=True, slots=True)
class Authorize:
    """To be asked of the outside."""

    order: str


def count(state: Tally | None, message: CreateOrder | Performed[str], at: int) -> Decision[Tally]:
    match message:
        case CreateOrder(total=total, orderId=order) if order is not None:
            if total == POISON:
                raise ValueError("thirteen is not to be sold")
            tally = Tally(order, state.met + 1 if state else 1)
            if total == OUTSIDE:
                return Decision(tally, effects=(Authorize(order),))
            return Decision(tally, sends=(confirmed(tally, at),))
        case CreateOrder():
            raise ValueError("an order without an id")
        case Performed() if state is not None:
            return Decision(state, sends=(confirmed(state, at),))
        case Performed():
            return Decision(state)
        case _:
            assert_never(message)


def confirmed(tally: Tally, at: int) -> OrderConfirmed:
    number = f"ORD-{tally.met:08d}"
    return _EXAMPLE.model_copy(
        update={"orderId": tally.order, "confirmationNumber": number, "confirmedAt": at, "meta": None}
    )


def authorize(effect: Authorize, gate: Path) -> str:
    """What performs Authorize: it takes as long as the scenario wants, and no longer than it lives."""
    with gate.with_name(ASKED).open("a", encoding="utf-8") as asked:
        asked.write(f"{effect.order}\n")
    # Not by looking again and again: a worker that sleeps meanwhile must find the answer there when it wakes up.
    with gate.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
    return "authorized"


counter = Service(name="counter", state=Tally, decide=count, sends=(OrderConfirmed,), effects=(Authorize,))


def key_of(name: int) -> str:
    """All of one partition: their records follow each other, and whoever owns it is the worker that works."""
    keys = (f"{name:08x}-0000-4000-8000-{number:012x}" for number in itertools.count())
    return next(key for key in keys if partition_of(key.encode(), PARTITIONS) == 0)


def order(name: int, total: int = 1) -> CreateOrder:
    return example_of(CreateOrder).model_copy(
        update={"orderId": key_of(name), "total": total, "meta": Meta(messageId=f"shop:{name}/{total}")}
    )
