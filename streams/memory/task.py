"""One partition of one service, as a worker runs it: a life that a crash may cut at any boundary.

The protocol is the engine's own (`streams.partition`, `streams.fold`); here it meets a changelog in memory, and a
scheduler that takes its stages in any order that Kafka allows. What a process would lose lives in `_Life` and nowhere
else; a crash drops it.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple

from schemas.message import Message
from streams.changelog import Marker, Place
from streams.decision import Performed, Wake
from streams.effects import Call, Outside, Perform, Policy, UnavailableError
from streams.fold import Fold
from streams.memory.log import Log, Logged
from streams.partition import Commit, Partition, Round
from streams.service import Service
from streams.step import Arrival, Entry, Parked, Refusal

#: Small rounds cross more boundaries; large ones hide reordering.
LARGEST_ROUND = 64
#: So many rounds of a partition are on their way at once.
DEPTH = 4
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


_RECOVERING = frozenset({Boundary.FOLDED, Boundary.CLAIMED})


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
class _Life:
    """What dies with the process."""

    positions: dict[str, int]
    partition: Partition[Any]
    outside: Outside
    epoch: int = 0
    paid: int = 0
    marked: int = 0
    entries: dict[str, Entry[Any]] = field(default_factory=dict)
    #: In order; only the first that has records left may write, only the first of all may publish.
    underway: deque[_Underway] = field(default_factory=deque)
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
    ) -> None:
        self.service = service
        self.number = partition
        self._perform = perform
        self._policies = policies
        self.dead_letters: list[DeadLetter] = []
        self._log = log
        self._random = random
        # Where the service hears of its own timers and effects.
        self._own = f"{service.name}.{ENVIRONMENT}.own"
        self._inputs = [*(topic.name(ENVIRONMENT) for topic in service.topics), self._own]
        self._changelog: list[Record | Marker | Grave] = []
        self._committed: dict[str, int] = {}
        self._generation = 0
        self.crash()

    def crash(self) -> None:
        """Lose the process; the next step recovers."""
        entries: dict[str, Entry[Any]] = {}
        partition = Partition(self.service, self, entries.get, 0)
        self._life = _Life(dict(self._committed), partition, Outside(self._policies), entries=entries)
        self._steps = self._live()
        self._resting = False

    def rewind(self) -> None:
        """Begin the next life where the inputs begin."""
        self._committed.clear()
        self.crash()

    def step(self) -> Boundary:
        """Go on to the next boundary."""
        boundary = next(self._steps)
        self._resting = boundary not in _RECOVERING and not self._possible()
        return boundary

    @property
    def idle(self) -> bool:
        """Nothing half done, nothing to read, no deadline passed."""
        return self._resting and not self._is_due() and not any(self._unread(topic) for topic in self._inputs)

    @property
    def next_deadline(self) -> int | None:
        """The earliest that still stands."""
        life = self._life
        landing = life.landings[0].at if life.landings else None
        times = (life.partition.wakes.next_at, life.outside.next_at(), landing)
        return min((time for time in times if time is not None), default=None)

    @property
    def states(self) -> dict[str, Any]:
        return {key: entry.state for key, entry in self._life.entries.items()}

    def _live(self) -> Iterator[Boundary]:
        yield from self._recover()
        while True:
            self._do_what_is_due()
            possible = self._possible()
            if self._may_read():
                possible.append(self._read)
            # Nothing is possible where an effect was due and its performer is away.
            yield self._random.choice(possible)() if possible else Boundary.ACKNOWLEDGED

    def _recover(self) -> Iterator[Boundary]:
        """Fold the changelog, claim the partition, and pay what the last life left."""
        life, fold = self._life, Fold()
        for offset, record in enumerate(self._changelog):
            match record:
                case Marker():
                    fold.marker(record)
                case Grave(key):
                    if key in life.entries:  # a stranger's
                        fold.foreign.add(key)
                case Record(key, epoch, round_, paid, commit):
                    place = Place(self.service.name, self.number, offset, key.encode())
                    if fold.written(place, key, epoch, round_, paid, commit.owed):
                        _keep(life.entries, key, commit.entry)
        yield Boundary.FOLDED
        self._generation += 1
        claim = fold.claim(self._generation, {})
        self._changelog.append(claim)
        life.epoch = claim.epoch
        life.paid = life.marked = claim.paid
        yield Boundary.CLAIMED
        life.partition = Partition(self.service, self, life.entries.get, fold.last_round)
        for key, entry in life.entries.items():
            life.partition.wakes.set(key, entry.due)
            for effect_id, effect in entry.pending.items():
                life.outside.ask(key, effect_id, effect, self._log.now)
        self._begin(life.partition.resume(fold.owed, fold.foreign))

    def _possible(self) -> list[Callable[[], Boundary]]:
        """What may be done next with the rounds underway, in whatever order."""
        life = self._life
        possible: list[Callable[[], Boundary]] = []
        if any(each.records for each in life.underway):
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
        return len(life.underway) < DEPTH and (life.partition.has_graves or any(map(self._unread, self._inputs)))

    def _read(self) -> Boundary:
        positions = dict(self._life.positions)
        arrivals = list(self._arrivals())
        changed = {topic: offset for topic, offset in self._life.positions.items() if positions.get(topic) != offset}
        self._begin(self._life.partition.decide(arrivals, changed, self._log.now))
        return Boundary.DECIDED

    def _begin(self, round_: Round) -> None:
        records: deque[tuple[str, Commit | None]] = deque(round_.commits.items())
        records += ((key, None) for key in round_.graves)
        underway = _Underway(round_, records, deque(round_.outputs))
        self._life.underway.append(underway)
        if not underway.records:
            self._durable(underway)

    def _write(self) -> Boundary:
        life = self._life
        underway = next(each for each in life.underway if each.records)
        key, commit = underway.records.popleft()
        if commit is None:
            self._changelog.append(Grave(key))
        else:
            self._changelog.append(Record(key, life.epoch, underway.round.number, life.paid, commit))
        if not underway.records:
            self._durable(underway)
        return Boundary.CHANGELOG_WRITTEN

    def _durable(self, underway: _Underway) -> None:
        self._life.partition.durable(underway.round)
        for effect_id, (key, effect) in underway.round.asked.items():
            self._life.outside.ask(key, effect_id, effect, self._log.now)
        for effect_id in underway.round.given_up:
            self._life.outside.give_up(effect_id)

    def _publish(self) -> Boundary:
        output = self._life.underway[0].outputs.popleft()
        if isinstance(output, DeadLetter):
            self.dead_letters.append(output)
        else:
            topic, key = output.contract.topic, output.record_key
            self._log.append(topic.name(ENVIRONMENT), key, output)
        return Boundary.PUBLISHED

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
        self._changelog.append(Marker(life.epoch, life.paid, life.partition.last_round, {}))
        life.marked = life.paid
        return Boundary.MARKED

    def _acknowledge(self) -> Boundary:
        self._committed |= self._life.done
        self._life.done.clear()
        return Boundary.ACKNOWLEDGED

    def _arrivals(self) -> Iterator[Arrival]:
        """Some of what there is, topic by topic in any order: Kafka promises no more across topics."""
        positions = self._life.positions
        for topic in self._random.sample(self._inputs, len(self._inputs)):
            unread = self._unread(topic)
            if not unread:
                continue
            first = positions.get(topic, 0)
            count = self._random.randint(1, min(unread, LARGEST_ROUND))
            positions[topic] = first + count
            records = self._log.read(topic, self.number)
            for offset in range(first, first + count):
                record = records[offset]
                if topic == self._own or type(record.message) in self.service.consumes:
                    yield Arrival(topic, offset, record.key, record.at, record.message, record)

    def _unread(self, topic: str) -> int:
        return len(self._log.read(topic, self.number)) - self._life.positions.get(topic, 0)

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

    def output(self, message: Message) -> Message:
        return message

    def dead_letter(self, arrival: Arrival, refusal: Refusal) -> DeadLetter:
        return DeadLetter(self.service.name, arrival.topic, self.number, arrival.offset, arrival.raw, refusal)

    def parked(self, arrival: Arrival) -> Parked:
        return Parked(arrival.topic, arrival.offset, arrival.at, arrival.raw)

    def revived(self, key: str, parked: Parked) -> Arrival:
        return Arrival(parked.topic, parked.offset, key, parked.at, parked.value.message, parked.value)


def _keep(entries: dict[str, Entry[Any]], key: str, entry: Entry[Any] | None) -> None:
    if entry is None:
        entries.pop(key, None)
    else:
        entries[key] = entry
