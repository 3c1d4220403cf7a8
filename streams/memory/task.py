"""One partition of one service, as a worker runs it: a life that a crash may cut at any boundary.

The protocol is the engine's own (`streams.partition`, `streams.fold`); here it meets a changelog in memory, and a
scheduler that takes its stages in any order that Kafka allows. What a process would lose lives in `_Life` and nowhere
else; a crash drops it. Where somebody else takes the partition over, what it had handed to its producer becomes a
`_Ghost` and lands later, among the records of the new life.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple

from schemas.message import Message, Meta
from streams.changelog import Marker, Place
from streams.decision import Performed, Wake
from streams.effects import Call, Outside, Perform, Policy, UnavailableError
from streams.fold import Fold
from streams.memory.log import Log, Logged
from streams.partition import Commit, Partition, Round
from streams.replay import is_copy
from streams.service import Service
from streams.step import Arrival, Entry, Envelope, Parked, Refusal
from streams.tables import Tables

#: Small rounds cross more boundaries; large ones hide reordering.
LARGEST_ROUND = 64
#: So many rounds of a partition are on their way at once.
DEPTH = 4
#: How likely a ghost is to come before the living.
_HAUNTED = 0.3
#: The environment in the twin's topic names.
ENVIRONMENT = "twin"


class Boundary(StrEnum):
    """Where a process can die: after each of these, and within those that write many records."""

    FOLDED = "folded"
    CLAIMED = "claimed"
    DECIDED = "decided"
    CHANGELOG_WRITTEN = "changelog written"
    PUBLISHED = "published"
    PAID = "paid"
    MARKED = "marked"
    ACKNOWLEDGED = "acknowledged"


class DeadLetter(NamedTuple):
    """A record that could not be decided, with its place and the cause."""

    service: str
    topic: str
    partition: int
    offset: int
    record: Logged
    refusal: Refusal


class Grave(NamedTuple):
    """A tombstone."""

    key: str


class Record(NamedTuple):
    """A changelog record of a key."""

    key: str
    epoch: int
    round: int
    paid: int
    commit: Commit


class Slowly(NamedTuple):
    """What a performer returns here to take its time: the outcome comes after so many millis."""

    millis: int
    outcome: Any


class _Landing(NamedTuple):
    """An outcome on its way."""

    at: int
    #: Of two at the same time, the call that was made first lands first.
    turn: int
    call: Call
    outcome: Any


class _Underway(NamedTuple):
    """A round that is not paid yet."""

    round: Round
    #: What is still to be written, then what is still to be published.
    records: deque[tuple[str, Commit | None]]
    outputs: deque[Any]


@dataclass(slots=True)
class _Ghost:
    """What an owner that lost its partition had handed to its producer: it lands late, each part in its order."""

    records: deque["Record | Marker | Grave"]
    #: Of rounds that were durable under its lease; it publishes nothing else.
    outputs: deque[Any]


@dataclass(slots=True)
class _Life:
    """What dies with the process."""

    positions: dict[str, int]
    partition: Partition[Any]
    outside: Outside
    recovered: bool = False
    epoch: int = 0
    #: Where its next changelog record lies, if nobody else writes there; and whether somebody did.
    next_offset: int = 0
    stranger: bool = False
    paid: int = 0
    marked: int = 0
    entries: dict[str, Entry[Any]] = field(default_factory=dict)
    #: In order; only the first may publish.
    underway: deque[_Underway] = field(default_factory=deque)
    #: Those of them that have records left, in order; only the first may write.
    unwritten: deque[_Underway] = field(default_factory=deque)
    #: Positions of paid rounds.
    done: dict[str, int] = field(default_factory=dict)
    landings: list[_Landing] = field(default_factory=list)
    calls: int = 0


class Task:
    """Changelog, committed offsets and dead letters are durable; the rest is rebuilt from them."""

    def __init__(
        self,
        service: Service[Any, Any],
        partition: int,
        log: Log,
        random: Random,
        perform: Mapping[type, Perform],
        policies: Mapping[type, Policy],
        tables: Tables,
    ) -> None:
        self.service = service
        self._deciding = service.reading(tables)
        self.number = partition
        self._perform = perform
        self._policies = policies
        self.dead_letters: list[DeadLetter] = []
        self._log = log
        self._random = random
        # Where the service hears of its own timers and effects.
        self._own = f"{service.name}.{ENVIRONMENT}.own"
        names = [*(topic.name(ENVIRONMENT) for topic in service.topics), self._own]
        # Lists that grow as others append.
        self._inputs = {name: log.read(name, partition) for name in names}
        self._changelog: list[Record | Marker | Grave] = []
        self._committed: dict[str, int] = {}
        self._generation = 0
        self._ghosts: list[_Ghost] = []
        self.crash()

    def crash(self) -> None:
        """Lose the process; the next step recovers."""
        entries: dict[str, Entry[Any]] = {}
        partition = Partition(self._deciding, self, entries.get, 0)
        positions = dict.fromkeys(self._inputs, 0) | self._committed
        self._life = _Life(positions, partition, Outside(self._policies), entries=entries)
        self._steps = self._live()

    def lose(self) -> None:
        """Lose the partition to another worker, who doesn't know what is still on its way."""
        life = self._life
        records: list[Record | Marker | Grave] = []
        if life.marked < life.paid:
            records.append(Marker(life.epoch, life.paid, life.partition.last_round, {}))
        for each in life.unwritten:
            records += (_record(life, each.round, key, commit) for key, commit in each.records)
        outputs: list[Any] = []
        for each in life.underway:
            if each.records:
                break
            outputs += each.outputs
        # How much of it ever lands is chance.
        lost = deque(records[: self._random.randint(0, len(records))])
        self._ghosts.append(_Ghost(lost, deque(outputs[: self._random.randint(0, len(outputs))])))
        self.crash()

    def compact(self) -> None:
        """Keep only the last record of each key, of all that the owner has seen: as Kafka does, but after a while.

        What is younger than the compaction lag stays, and by then the owner has written again what a ghost wrote over.
        """
        life = self._life
        if not life.recovered or life.unwritten:
            return
        last: dict[str, Record | Marker] = {}
        for record in self._changelog[: life.next_offset]:
            key = "" if isinstance(record, Marker) else record.key
            last.pop(key, None)
            if not isinstance(record, Grave):
                last[key] = record
        self._changelog[: life.next_offset] = last.values()
        life.next_offset = len(last)

    def rewind(self) -> None:
        """Begin the next life where the inputs begin."""
        self._committed.clear()
        self.crash()

    def step(self) -> Boundary:
        """Go on to the next boundary."""
        if self._ghosts and self._random.random() < _HAUNTED:
            self._haunt(self._random.choice(self._ghosts))
        boundary = next(self._steps)
        if self._life.stranger:  # it reads again what there is now
            self.crash()
        return boundary

    def _haunt(self, ghost: _Ghost) -> None:
        if ghost.records and (not ghost.outputs or self._random.getrandbits(1)):
            self._changelog.append(ghost.records.popleft())
        elif ghost.outputs:
            self._send(ghost.outputs.popleft())
        if not ghost.records and not ghost.outputs:
            self._ghosts.remove(ghost)

    @property
    def places(self) -> Iterator[tuple[str, int]]:
        """What it reads: topics and their partition."""
        return ((topic, self.number) for topic in self._inputs)

    @property
    def idle(self) -> bool:
        """Nothing half done, nothing to read, no deadline passed."""
        life = self._life
        # Asked at every step of anybody, so what is true most often comes first.
        busy = life.underway or not life.recovered or life.done or life.marked < life.paid or self._ghosts
        return not busy and not self._may_read() and not self._is_due()

    @property
    def next_deadline(self) -> int | None:
        """The earliest that still stands."""
        life = self._life
        wake = life.partition.wakes.next_at
        if not self.service.effects:
            return wake
        landing = life.landings[0].at if life.landings else None
        return min((time for time in (wake, life.outside.next_at(), landing) if time is not None), default=None)

    @property
    def states(self) -> dict[str, Any]:
        return {key: entry.state for key, entry in self._life.entries.items()}

    def _live(self) -> Iterator[Boundary]:
        yield from self._recover()
        while True:
            if self._is_due():
                self._do_what_is_due()
            possible = self._possible()
            if self._may_read():
                possible.append(self._read)
            # Nothing is possible where an effect was due and its performer is away.
            yield self._random.choice(possible)() if possible else Boundary.ACKNOWLEDGED

    def _recover(self) -> Iterator[Boundary]:
        """Fold the changelog, claim the partition, and pay what the last life left."""
        life, fold = self._life, Fold()
        read = self._fold(fold, 0)
        yield Boundary.FOLDED
        self._generation += 1
        claim = fold.claim(self._generation, {})
        life.epoch = claim.epoch
        life.next_offset = len(self._changelog)
        self._append(claim)
        yield Boundary.CLAIMED
        # Up to the claim, and what has landed behind it.
        self._fold(fold, read)
        life.paid = life.marked = fold.paid
        life.partition = Partition(self._deciding, self, life.entries.get, fold.last_round)
        for key, entry in life.entries.items():
            life.partition.wakes.set(key, entry.due)
            for effect_id, effect in entry.pending.items():
                life.outside.ask(key, effect_id, effect, self._log.now)
        self._begin(life.partition.resume(fold.owed, fold.foreign, self._log.now))
        life.recovered = True

    def _fold(self, fold: Fold, start: int) -> int:
        """Read the changelog to its end; where that is."""
        entries = self._life.entries
        for offset, record in enumerate(self._changelog[start:], start):
            match record:
                case Marker():
                    fold.marker(record)
                case Grave(key):
                    if key in entries:  # a stranger's
                        fold.foreign.add(key)
                case Record(key, epoch, round_, paid, commit):
                    place = Place(self.service.name, self.number, offset, key.encode())
                    if fold.written(place, key, epoch, round_, paid, commit.owed):
                        _keep(entries, key, commit.entry)
        return len(self._changelog)

    def _append(self, record: Record | Marker | Grave) -> None:
        """To the changelog, where nobody else writes: its offset tells if somebody did."""
        life = self._life
        life.stranger |= len(self._changelog) != life.next_offset
        self._changelog.append(record)
        life.next_offset = len(self._changelog)

    def _possible(self) -> list[Callable[[], Boundary]]:
        """What may be done next with the rounds underway, in whatever order."""
        life = self._life
        possible: list[Callable[[], Boundary]] = []
        if life.unwritten:
            possible.append(self._write)
        if life.underway and not life.underway[0].records:
            possible.append(self._publish if life.underway[0].outputs else self._pay)
        if life.marked < life.paid:
            possible.append(self._mark)
        if life.done:
            possible.append(self._acknowledge)
        return possible

    def _may_read(self) -> bool:
        life = self._life
        if len(life.underway) >= DEPTH:
            return False
        for topic, records in self._inputs.items():
            if len(records) > life.positions[topic]:
                return True
        return life.partition.has_graves

    def _read(self) -> Boundary:
        positions: dict[str, int] = {}
        arrivals = list(self._arrivals(positions))
        self._life.positions |= positions
        self._begin(self._life.partition.decide(arrivals, positions, self._log.now))
        return Boundary.DECIDED

    def _begin(self, round_: Round) -> None:
        records: deque[tuple[str, Commit | None]] = deque(round_.commits.items())
        records += ((key, None) for key in round_.graves)
        underway = _Underway(round_, records, deque(round_.outputs))
        self._life.underway.append(underway)
        if records:
            self._life.unwritten.append(underway)
        else:
            self._durable(underway)

    def _write(self) -> Boundary:
        life = self._life
        underway = life.unwritten[0]
        key, commit = underway.records.popleft()
        self._append(_record(life, underway.round, key, commit))
        if not underway.records:
            life.unwritten.popleft()
            self._durable(underway)
        return Boundary.CHANGELOG_WRITTEN

    def _durable(self, underway: _Underway) -> None:
        self._life.partition.durable(underway.round)
        for effect_id, (key, effect) in underway.round.asked.items():
            self._life.outside.ask(key, effect_id, effect, self._log.now)
        for effect_id in underway.round.given_up:
            self._life.outside.give_up(effect_id)

    def _publish(self) -> Boundary:
        self._send(self._life.underway[0].outputs.popleft())
        return Boundary.PUBLISHED

    def _send(self, output: Any) -> None:
        if isinstance(output, DeadLetter):
            self.dead_letters.append(output)
        else:
            topic, key = output.contract.topic, output.record_key
            self._log.append(topic.name(ENVIRONMENT), key, output)

    def _pay(self) -> Boundary:
        life = self._life
        round_ = life.underway.popleft().round
        for key, entry in life.partition.paid(round_):
            _keep(life.entries, key, entry)
        life.paid = round_.number
        life.done |= round_.positions
        return Boundary.PAID

    def _mark(self) -> Boundary:
        life = self._life
        self._append(Marker(life.epoch, life.paid, life.partition.last_round, {}))
        life.marked = life.paid
        return Boundary.MARKED

    def _acknowledge(self) -> Boundary:
        self._committed |= self._life.done
        self._life.done.clear()
        return Boundary.ACKNOWLEDGED

    def _arrivals(self, positions: dict[str, int]) -> Iterator[Arrival]:
        """Some of what there is, topic by topic in any order: Kafka promises no more across topics."""
        for topic in self._random.sample(list(self._inputs), len(self._inputs)):
            records, first = self._inputs[topic], self._life.positions[topic]
            if first == len(records):
                continue
            after = positions[topic] = self._random.randint(first + 1, min(len(records), first + LARGEST_ROUND))
            for offset in range(first, after):
                record = records[offset]
                if record.headers and is_copy(record.headers):
                    continue
                message = record.message
                if message is not None and (topic == self._own or type(message) in self.service.consumes):
                    yield Arrival(topic, offset, record.key, record.at, message, record)

    def _is_due(self) -> bool:
        deadline = self.next_deadline
        return deadline is not None and deadline <= self._log.now

    def _do_what_is_due(self) -> None:
        """What comes of it travels through the service's own topic."""
        life, now = self._life, self._log.now
        for key, deadline in life.partition.wakes.take(now):
            self._log.append(self._own, key, Wake(deadline))
        while self._is_due():
            # Before the next start: an outcome that comes on its call's deadline is in time.
            while life.landings and life.landings[0].at <= now:
                _, _, call, outcome = heapq.heappop(life.landings)
                if life.outside.answered(call):
                    self._log.append(self._own, call.key, Performed(call.effect_id, outcome))
            for call in life.outside.start(now):
                self._call(call)

    def _call(self, call: Call) -> None:
        life, now = self._life, self._log.now
        try:
            outcome = self._perform[type(call.effect)](call.effect, call.effect_id)
        except UnavailableError as error:
            life.outside.failed(call, now, error)
            return
        millis, outcome = outcome if isinstance(outcome, Slowly) else (0, outcome)
        life.calls += 1
        heapq.heappush(life.landings, _Landing(now + millis, life.calls, call, outcome))

    # The engine's `Wire`: in memory a message is its own record.

    follow = None

    def output(self, message: Message, envelope: Envelope) -> Message:
        return message.model_copy(update={"meta": Meta.model_validate(envelope)})

    def check(self, key: str, entry: Entry[Any] | None, outputs: tuple[Any, ...]) -> None:
        """Here a record holds anything."""

    def size(self, output: Any) -> int:  # noqa: ARG002 - the same
        return 0

    def partition_of(self, key: str) -> int:
        return self._log.partition_of(key)

    def dead_letter(self, arrival: Arrival, refusal: Refusal) -> DeadLetter:
        return DeadLetter(self.service.name, arrival.topic, self.number, arrival.offset, arrival.raw, refusal)

    def parked(self, arrival: Arrival) -> Parked:
        return Parked(arrival.topic, arrival.offset, arrival.at, arrival.raw)

    def revived(self, key: str, parked: Parked) -> Arrival:
        return Arrival(parked.topic, parked.offset, key, parked.at, parked.value.message, parked.value)


def _record(life: _Life, round_: Round, key: str, commit: Commit | None) -> Record | Grave:
    return Grave(key) if commit is None else Record(key, life.epoch, round_.number, life.paid, commit)


def _keep(entries: dict[str, Entry[Any]], key: str, entry: Entry[Any] | None) -> None:
    if entry is None:
        entries.pop(key, None)
    else:
        entries[key] = entry
