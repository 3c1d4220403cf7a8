"""One partition of one service, as a worker runs it: rounds that a crash may cut at any boundary.

The protocol is the engine's: decide all; write the changelog, one record per changed key with what it owes; publish
what is owed; say that it is paid; acknowledge the inputs. What a process would lose with its memory lives in `_Memory`
and nowhere else; a crash drops it.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple

from schemas.message import Message
from streams.decision import Wake
from streams.memory.log import Log, Logged
from streams.service import Service
from streams.step import Arrival, Entry, Refusal, absorb

#: Small rounds cross more boundaries; large ones hide reordering.
LARGEST_ROUND = 64

#: The environment in the twin's topic names.
ENVIRONMENT = "twin"

_NEW: Entry[Any] = Entry()


class Boundary(StrEnum):
    """Where a process can die: after each of these, and within the two that write many records."""

    RECOVERED = "recovered"
    DECIDED = "decided"
    CHANGELOG_WRITTEN = "changelog written"
    PUBLISHED = "published"
    PAID = "paid"
    ACKNOWLEDGED = "acknowledged"


class DeadLetter(NamedTuple):
    """A record that could not be decided, with its place and the cause."""

    service: str
    topic: str
    partition: int
    offset: int
    record: Logged
    refusal: Refusal


class Committed(NamedTuple):
    """A changelog record: a key's whole decision with what it owes, or the forgetting of a key (entry None)."""

    round: int
    key: str
    entry: Entry[Any] | None
    owed: tuple[Message | DeadLetter, ...]


@dataclass(slots=True)
class _Memory:
    """What dies with the process."""

    entries: dict[str, Entry[Any]] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    timers: list[tuple[int, str]] = field(default_factory=list)
    round: int = 0


class Task:
    """Changelog, paid marker, committed offsets and dead letters are durable; the rest is rebuilt from them."""

    def __init__(self, service: Service[Any, Any], partition: int, log: Log, random: Random) -> None:
        self.service = service
        self.partition = partition
        self.dead_letters: list[DeadLetter] = []
        self._log = log
        self._random = random
        self._wakes = f"{service.name}.{ENVIRONMENT}.timers"
        self._inputs = [*(topic.name(ENVIRONMENT) for topic in service.topics), self._wakes]
        self._changelog: list[Committed] = []
        self._paid = 0
        self._committed: dict[str, int] = {}
        self.crash()

    def crash(self) -> None:
        """Lose the process; the next step recovers."""
        self._memory = _Memory(positions=dict(self._committed))
        self._life = self._live()
        self._resting = False

    def step(self) -> Boundary:
        """Go on to the next boundary."""
        boundary = next(self._life)
        self._resting = boundary is Boundary.ACKNOWLEDGED
        return boundary

    @property
    def idle(self) -> bool:
        """Nothing half done, nothing to read, no deadline passed."""
        return self._resting and not self._due() and not any(self._unread(topic) for topic in self._inputs)

    @property
    def next_deadline(self) -> int | None:
        """The earliest deadline that still stands; those that were moved or met are dropped on the way."""
        timers, entries = self._memory.timers, self._memory.entries
        while timers:
            deadline, key = timers[0]
            entry = entries.get(key)
            if entry is not None and entry.timer == deadline:
                return deadline
            heapq.heappop(timers)
        return None

    @property
    def states(self) -> dict[str, Any]:
        return {key: entry.state for key, entry in self._memory.entries.items()}

    def _live(self) -> Iterator[Boundary]:
        yield from self._recover()
        while True:
            self._wake()
            yield from self._round()

    def _recover(self) -> Iterator[Boundary]:
        """Fold the changelog, then publish again whatever the paid marker doesn't cover."""
        memory = self._memory
        owed: list[Message | DeadLetter] = []
        for record in self._changelog:
            self._keep(record.key, record.entry)
            memory.round = record.round
            if record.round > self._paid:
                owed += record.owed
        yield Boundary.RECOVERED
        yield from self._pay(owed)

    def _round(self) -> Iterator[Boundary]:
        memory = self._memory
        memory.round += 1
        decided = self._decide()
        yield Boundary.DECIDED
        for record in decided.values():
            self._changelog.append(record)
            yield Boundary.CHANGELOG_WRITTEN
        for record in decided.values():
            self._keep(record.key, record.entry)
        yield from self._pay([message for record in decided.values() for message in record.owed])
        self._committed = dict(memory.positions)
        yield Boundary.ACKNOWLEDGED

    def _pay(self, owed: list[Message | DeadLetter]) -> Iterator[Boundary]:
        for output in owed:
            if isinstance(output, DeadLetter):
                self.dead_letters.append(output)
            else:
                self._publish(output)
            yield Boundary.PUBLISHED
        self._paid = self._memory.round
        yield Boundary.PAID

    def _decide(self) -> dict[str, Committed]:
        """What this round changes, by key; a key that changes twice owes the outputs of both decisions."""
        decided: dict[str, Committed] = {}
        entries = self._memory.entries
        for arrival in self._read():
            key = arrival.key
            before = decided.get(key)
            entry = before.entry if before else entries.get(key)
            step = absorb(self.service, entry or _NEW, arrival)
            if step is None:
                continue
            owed: tuple[Message | DeadLetter, ...] = step.sends
            if step.refusal:
                owed = (self._dead_letter(arrival, step.refusal),)
            forgotten = step.entry.state is None and step.refusal is None
            owed = (before.owed if before else ()) + owed
            decided[key] = Committed(self._memory.round, key, None if forgotten else step.entry, owed)
        return decided

    def _read(self) -> Iterator[Arrival]:
        """Some of what there is, topic by topic in any order: Kafka promises no more across topics."""
        positions = self._memory.positions
        for topic in self._random.sample(self._inputs, len(self._inputs)):
            unread = self._unread(topic)
            if not unread:
                continue
            first = positions.get(topic, 0)
            count = self._random.randint(1, min(unread, LARGEST_ROUND))
            positions[topic] = first + count
            records = self._log.read(topic, self.partition)
            for offset in range(first, first + count):
                key, at, message = records[offset]
                if isinstance(message, Wake) or type(message) in self.service.consumes:
                    yield Arrival(topic, offset, key, at, message)

    def _unread(self, topic: str) -> int:
        return len(self._log.read(topic, self.partition)) - self._memory.positions.get(topic, 0)

    def _keep(self, key: str, entry: Entry[Any] | None) -> None:
        if entry is None:
            self._memory.entries.pop(key, None)
            return
        self._memory.entries[key] = entry
        if entry.timer is not None:
            heapq.heappush(self._memory.timers, (entry.timer, key))

    def _due(self) -> bool:
        deadline = self.next_deadline
        return deadline is not None and deadline <= self._log.now

    def _wake(self) -> None:
        """Send each passed deadline through the service's own topic, in order."""
        while self._due():
            deadline, key = heapq.heappop(self._memory.timers)
            self._log.append(self._wakes, key, Wake(deadline))

    def _publish(self, message: Message) -> None:
        topic = message.contract.topic
        key = message.record_key
        assert topic is not None  # noqa: S101 - `absorb` lets nothing else through
        assert key is not None  # noqa: S101
        self._log.append(topic.name(ENVIRONMENT), key, message)

    def _dead_letter(self, arrival: Arrival, refusal: Refusal) -> DeadLetter:
        record = Logged(arrival.key, arrival.at, arrival.message)
        return DeadLetter(self.service.name, arrival.topic, self.partition, arrival.offset, record, refusal)
