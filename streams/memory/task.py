"""One partition of one service, as a worker runs it: rounds that a crash may cut at any boundary.

The protocol is the engine's: decide all; write the changelog, one record per changed key with what it owes; publish
what is owed; say that it is paid; acknowledge the inputs. What a process would lose with its memory lives in `_Memory`
and nowhere else; a crash drops it.
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple

from schemas.message import Message
from streams.decision import Performed, Wake
from streams.effects import Call, Outside, Perform, Policy, UnavailableError
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


class Later(NamedTuple):
    """What a performer returns here to take its time: the outcome comes after so many millis."""

    millis: int
    outcome: Any


class _Timer(NamedTuple):
    """A key to be woken."""

    at: int
    key: str


class _Landing(NamedTuple):
    """An outcome on its way."""

    at: int
    #: Of two at the same time, the call that was made first lands first.
    turn: int
    call: Call
    outcome: Any


@dataclass(slots=True)
class _Memory:
    """What dies with the process."""

    positions: dict[str, int]
    outside: Outside
    entries: dict[str, Entry[Any]] = field(default_factory=dict)
    timers: list[_Timer] = field(default_factory=list)
    landings: list[_Landing] = field(default_factory=list)
    calls: int = 0
    round: int = 0


class Task:
    """Changelog, paid marker, committed offsets and dead letters are durable; the rest is rebuilt from them."""

    def __init__(
        self,
        service: Service[Any, Any],
        partition: int,
        log: Log,
        random: Random,
        perform: Mapping[type, Perform],
        policies: Mapping[type, Policy],
    ) -> None:
        self.service = service
        self.partition = partition
        self._perform = perform
        self._policies = policies
        self.dead_letters: list[DeadLetter] = []
        self._log = log
        self._random = random
        # Where the service hears of its own timers and effects.
        self._own = f"{service.name}.{ENVIRONMENT}.own"
        self._inputs = [*(topic.name(ENVIRONMENT) for topic in service.topics), self._own]
        self._changelog: list[Committed] = []
        self._paid = 0
        self._committed: dict[str, int] = {}
        self.crash()

    def crash(self) -> None:
        """Lose the process; the next step recovers."""
        self._memory = _Memory(dict(self._committed), Outside(self._policies))
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
        return self._resting and not self._is_due() and not any(self._unread(topic) for topic in self._inputs)

    @property
    def next_deadline(self) -> int | None:
        """The earliest that still stands; what was moved or answered is dropped on the way."""
        memory = self._memory
        while memory.timers and not self._stands(memory.timers[0]):
            heapq.heappop(memory.timers)
        firsts = [queue[0].at for queue in (memory.timers, memory.landings) if queue]
        upcoming = memory.outside.next_at()
        return min(firsts if upcoming is None else [*firsts, upcoming], default=None)

    @property
    def states(self) -> dict[str, Any]:
        return {key: entry.state for key, entry in self._memory.entries.items()}

    def _live(self) -> Iterator[Boundary]:
        yield from self._recover()
        while True:
            self._do_what_is_due()
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
                if topic == self._own or type(message) in self.service.consumes:
                    yield Arrival(topic, offset, key, at, message)

    def _unread(self, topic: str) -> int:
        return len(self._log.read(topic, self.partition)) - self._memory.positions.get(topic, 0)

    def _keep(self, key: str, entry: Entry[Any] | None) -> None:
        memory = self._memory
        before = memory.entries.pop(key, _NEW)
        after = entry or _NEW
        for effect_id in before.pending:
            if effect_id not in after.pending:
                memory.outside.give_up(effect_id)
        for effect_id, effect in after.pending.items():
            if effect_id not in before.pending:
                memory.outside.ask(key, effect_id, effect, self._log.now)
        if entry is None:
            return
        memory.entries[key] = entry
        if entry.timer is not None:
            heapq.heappush(memory.timers, _Timer(entry.timer, key))

    def _stands(self, timer: _Timer) -> bool:
        return self._memory.entries.get(timer.key, _NEW).timer == timer.at

    def _is_due(self) -> bool:
        deadline = self.next_deadline
        return deadline is not None and deadline <= self._log.now

    def _do_what_is_due(self) -> None:
        """What comes of it travels through the service's own topic."""
        memory, now = self._memory, self._log.now
        while self._is_due():
            if memory.timers and memory.timers[0].at <= now:
                timer = heapq.heappop(memory.timers)
                self._log.append(self._own, timer.key, Wake(timer.at))
                continue
            # Before the next start: an outcome that comes on its call's deadline is in time.
            while memory.landings and memory.landings[0].at <= now:
                _, _, call, outcome = heapq.heappop(memory.landings)
                if memory.outside.answered(call):
                    self._log.append(self._own, call.key, Performed(call.effect_id, outcome))
            for call in memory.outside.start(now):
                self._call(call)

    def _call(self, call: Call) -> None:
        memory, now = self._memory, self._log.now
        try:
            outcome = self._perform[type(call.effect)](call.effect, call.effect_id)
        except UnavailableError as error:
            memory.outside.failed(call, now, error)
            return
        millis, outcome = outcome if isinstance(outcome, Later) else (0, outcome)
        memory.calls += 1
        heapq.heappush(memory.landings, _Landing(now + millis, memory.calls, call, outcome))

    def _publish(self, message: Message) -> None:
        topic = message.contract.topic
        key = message.record_key
        assert topic is not None  # noqa: S101 - `absorb` lets nothing else through
        assert key is not None  # noqa: S101
        self._log.append(topic.name(ENVIRONMENT), key, message)

    def _dead_letter(self, arrival: Arrival, refusal: Refusal) -> DeadLetter:
        record = Logged(arrival.key, arrival.at, arrival.message)
        return DeadLetter(self.service.name, arrival.topic, self.partition, arrival.offset, record, refusal)
