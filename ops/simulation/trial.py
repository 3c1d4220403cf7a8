"""One batch of customers: what is tried, and what came of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import Any, get_args

from agents.payments.gateway import Effect
from ops.audit import Violation, violations
from ops.gateway.behaviour import ROUGH, Behaviour
from ops.gateway.hosting import POLICY
from ops.gateway.ledger import Ledger
from ops.gateway.simulated import SimulatedGateway
from ops.load import Load, Mix, Sent
from schemas.errors import OrderflowError
from schemas.message import Message
from schemas.topics import TOPICS
from streams.memory.log import Logged
from streams.memory.task import Boundary, DeadLetter, Slowly, Task
from streams.memory.twin import Crash, RestlessError, Twin, never
from streams.service import Service

#: A Monday morning. The time is the twin's own.
BEGINS_AT = 1_772_443_800_000
#: Millis between two customers.
_PACE = 10
#: What is published within so many millis is published at once: then it meets in any order.
_TICK = 100
#: More than all deadlines of a checkout one after another.
_SETTLES = 60 * 60_000
#: Out of step with the pauses of whoever calls: under a virtual clock each trial would meet the same moment of it.
_OUTAGE, _OUTAGE_EVERY = 700, 7_300


class Fault(StrEnum):
    """What may go wrong. Declined cards and empty shelves are no faults: they happen always."""

    CRASH = "crash"
    TAKEOVER = "takeover"
    COMPACTION = "compaction"
    DUPLICATE = "duplicate"
    CANCEL = "cancel"
    POISON = "poison"
    TIMEOUT = "timeout"
    OUTAGE = "outage"


#: At one boundary of so many. A process that dies more often than it can publish its outputs never comes to an end.
_ONE_IN = {Fault.CRASH: 1_000, Fault.TAKEOVER: 3_000, Fault.COMPACTION: 2_000}


class UnsettledError(OrderflowError):
    """Customers whose business never came to rest."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The same trial of the same services takes the same course."""

    seed: int
    #: Customers; and which of them take part, if not all.
    count: int
    faults: frozenset[Fault] = frozenset(Fault)
    only: tuple[int, ...] | None = None

    @property
    def command(self) -> str:
        """What runs it again."""
        faults = ",".join(fault for fault in Fault if fault in self.faults) or "none"
        only = "" if self.only is None else f" --only {','.join(map(str, self.only))}"
        return f"orderflow simulate --sagas {self.count} --seed {self.seed} --faults {faults}{only}"

    @property
    def numbers(self) -> Sequence[int]:
        return range(self.count) if self.only is None else self.only

    def load(self) -> Load:
        absent = {Fault.CANCEL: "cancelled", Fault.DUPLICATE: "duplicated", Fault.POISON: "poison"}
        mix = replace(Mix(), **{name: 0 for fault, name in absent.items() if fault not in self.faults})
        return Load(seed=self.seed, count=self.count, begins_at=BEGINS_AT, millis=self.count * _PACE, mix=mix)

    def behaviour(self) -> Behaviour:
        timeout, outage = Fault.TIMEOUT in self.faults, Fault.OUTAGE in self.faults
        return replace(
            ROUGH,
            seed=self.seed,
            lost_answers=ROUGH.lost_answers if timeout else 0,
            late_answers=ROUGH.late_answers if timeout else 0,
            outage=_OUTAGE if outage else 0,
            outage_every=_OUTAGE_EVERY,
        )


@dataclass(frozen=True, slots=True)
class Course:
    """How a trial went."""

    trial: Trial
    records: tuple[Logged, ...]
    dead_letters: tuple[DeadLetter, ...]
    violations: tuple[Violation, ...]
    #: How often which fault befell a partition.
    befell: Counter[Fault]

    @property
    def published(self) -> int:
        return len(self.records)


def run(trial: Trial, services: Sequence[Service[Any, Any]]) -> Course:
    load, befell = trial.load(), Counter[Fault]()
    customers = [load.shopper(number) for number in trial.numbers]
    sent = sorted((sent for customer in customers for sent in customer.sent), key=attrgetter("after"))
    crash, upheaval, compaction = (_by_chance(trial, fault, befell) for fault in _ONE_IN)
    with closing(Ledger()) as ledger:
        gateway = SimulatedGateway(ledger, trial.behaviour(), answer=Slowly, clock=lambda: twin.now)
        kinds = get_args(Effect)
        twin = Twin(
            services,
            seed=trial.seed,
            crash=crash,
            upheaval=upheaval,
            compaction=compaction,
            perform=dict.fromkeys(kinds, gateway.perform),
            policies=dict.fromkeys(kinds, POLICY),
        )
        try:
            _live(twin, load, sent)
        except RestlessError as error:
            raise UnsettledError(f"the twin never came to rest; run it again: {trial.command}") from error
        movements = ledger.movements()
    records = tuple(record for topic in TOPICS for record in twin.records(topic))
    found = violations(
        _messages(records),
        movements,
        refused=_messages(letter.record for letter in twin.dead_letters),
        poison=[each.message for each in sent if each.poison],
    )
    return Course(trial, records, tuple(twin.dead_letters), tuple(found), befell)


def _live(twin: Twin, load: Load, sent: Sequence[Sent]) -> None:
    twin.advance(BEGINS_AT)
    for message in load.shop():
        twin.publish(message)
    twin.run(until=twin.now)
    for tick, at_once in groupby(sent, key=lambda each: each.after // _TICK):
        twin.run(until=BEGINS_AT + tick * _TICK)
        for each in at_once:
            twin.publish(each.message)
    twin.run(until=twin.now + _SETTLES)
    twin.publish(load.stocktake())
    twin.run(until=twin.now)


def _by_chance(trial: Trial, fault: Fault, befell: Counter[Fault]) -> Crash:
    if fault not in trial.faults:
        return never
    random, share = Random(f"{trial.seed}/{fault}"), 1 / _ONE_IN[fault]

    def happens(_task: Task, _boundary: Boundary) -> bool:
        if random.random() >= share:
            return False
        befell[fault] += 1
        return True

    return happens


def _messages(records: Any) -> Iterator[Message]:
    return (record.message for record in records if isinstance(record.message, Message))
