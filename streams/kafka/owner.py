"""An active partition: its rounds on their way through the changelog to their topics.

    read -> decided -> changelog acknowledged, lease held -> outputs acknowledged -> in the store, inputs committed

Any number of rounds follow each other through these stages. The producer keeps order per partition and leaves no gap
(it gives up as a whole instead), so of a batch the last acknowledgement stands for all.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from confluent_kafka import KafkaError, Producer

from schemas.errors import OrderflowError
from streams.changelog import MARKER_KEY, Marker, Output, Record, encode
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.lease import Lease
from streams.kafka.replica import Replica
from streams.kafka.wire import LARGEST_KEPT, Wire
from streams.partition import Partition, Round
from streams.service import Service
from streams.state import StateError
from streams.step import Arrival

S = TypeVar("S")

#: More of them on their way would not be faster, and all would be repeated after a crash.
MOST_ROUNDS = 16
#: A marker that says what is paid is written when so long nothing else said it. Without it a crash has the last outputs
#: sent again, which their readers notice; written soon after every round it was a fifth of all records at a slow pace.
MARK_SECONDS = 1.0


class OwnerError(OrderflowError):
    """The partition can't go on as it is."""


class Claim(NamedTuple):
    """Our own, in the changelog."""

    marker: Marker
    offset: int


@dataclass(slots=True)
class _Underway:
    """A round that is not paid yet."""

    round: Round
    began: float
    #: Key -> its encoded entry, empty where it is forgotten: what the store will keep.
    entries: dict[str, bytes] = field(default_factory=dict)
    #: Batches that are not acknowledged yet: of the changelog, then of outputs.
    awaited: int = 0
    durable: bool = False
    #: The changelog offset after its records.
    offset: int = 0


class _Rest(NamedTuple):
    """Of what was read, whatever is not decided yet."""

    arrivals: Iterator[Arrival]
    moved: list[Output]
    positions: Mapping[str, int]
    now: int


class Owner(Generic[S]):
    """One life of a partition, from its claim to its revocation."""

    def __init__(
        self,
        service: Service[S, Any],
        wire: Wire,
        replica: Replica[S],
        claim: Claim,
        *,
        producer: Producer,
        lease: Lease,
        counters: Counters,
    ) -> None:
        self.number = replica.partition
        self.wire = wire
        self.partition = Partition(service, wire, replica.entry, replica.fold.last_round)
        #: Positions of paid rounds, by input topic.
        self.done: dict[str, int] = {}
        #: Effects to be asked for, and ids to be given up, since the plane looked last.
        self.asked: dict[str, tuple[str, Any]] = {}
        self.given_up: list[str] = []
        self.stranger = False
        #: A key that can't be written as it was decided, and why: this life is over, and in the next it is a suspect.
        self.unwritable: tuple[str, str] | None = None
        self._replica = replica
        self._producer = producer
        self._changelog = replica.changelog
        self._claim = claim.marker
        self._next_offset = claim.offset + 1
        #: Batches to the changelog.
        self._unacknowledged = 0
        self._lease = lease
        self._counters = counters
        self._paid = self._marked = claim.marker.paid
        self._paid_at = 0.0
        self._underway: deque[_Underway] = deque()
        #: Of the last read, what has to wait until more is paid.
        self._rest: _Rest | None = None
        self._failed: KafkaError | None = None
        self._fenced = False
        for key, head, entry in replica.waiting():
            self.partition.wakes.set(key, head.due)
            if head.parked:
                self.partition.parked.add(key)
            if entry is not None:
                self.asked |= {effect_id: (key, effect) for effect_id, effect in entry.pending.items()}
        fold = replica.fold
        self._begin(self.partition.resume(fold.owed, fold.foreign, int(time.time() * 1000)))
        counters.fences += len(fold.foreign)
        fold.foreign.clear()

    @property
    def room(self) -> bool:
        return len(self._underway) < MOST_ROUNDS and self._rest is None

    @property
    def over(self) -> bool:
        """This life has ended: nothing of it may be published or committed any more."""
        return self.stranger or self.unwritable is not None

    @property
    def idle(self) -> bool:
        """Nothing on its way."""
        return not self._underway and self._rest is None

    @property
    def quiet(self) -> bool:
        """Nothing, not even a marker."""
        return self.idle and not self._unacknowledged

    def take(self, read: Mapping[str, Sequence[Fetched]], now: int) -> None:
        """Decide what was read of each topic, as one round or as several, and send it off."""
        moved: list[Output] = []
        # Lazy, and perhaps taken up again when other partitions have had their turn: so it holds nothing of the caller.
        arrivals = chain.from_iterable(self.wire.arrivals(topic, records, moved) for topic, records in read.items())
        positions = {topic: records[-1].offset() + 1 for topic, records in read.items()}
        self._decide(_Rest(arrivals, moved, positions, now))

    def _decide(self, rest: "_Rest") -> None:
        started = time.perf_counter()
        round_ = self.partition.decide(rest.arrivals, rest.positions, rest.now)
        # The arrivals are lazy: only now is it known what lies on the wrong partition.
        round_.outputs += rest.moved
        rest.moved.clear()
        self._rest = rest if self.partition.laden else None
        counters = self._counters
        counters.decide_seconds.observe(time.perf_counter() - started)
        counters.decided += round_.decided
        counters.repeats += round_.repeats
        counters.unparked += round_.unparked
        self._begin(round_)

    def advance(self) -> None:
        """Move every round on as far as it may go now. Raises OwnerError where one can't go on at all."""
        if self._failed is not None:
            raise OwnerError(f"{self._changelog}[{self.number}]: a record was refused: {self._failed.str()}")
        if self.over:
            # A stranger's record may have been a claim, and what we wrote behind that counts for nobody: to publish it,
            # or to commit its inputs, would be to lose it. And what follows a round that could not be written must not
            # be committed without it. The next life knows.
            return
        for underway in self._underway:
            if not underway.durable:
                if underway.awaited:
                    break
                # Our changelog records are there. If the lease still holds, nobody else can have claimed the
                # partition before them: the decision stands, and whoever comes next will know of it.
                if not self._lease.holds():
                    self._counters.fences += not self._fenced
                    self._fenced = True
                    break
                self._fenced = False
                self._publish(underway)
        while self._underway and self._underway[0].durable and not self._underway[0].awaited:
            self._settle(self._underway.popleft())
        if self._rest is not None and not self.partition.laden:
            self._decide(self._rest)

    def look(self, end: int) -> None:
        """Hear where the changelog ends: who has nothing to write would never notice a stranger."""
        if not self._unacknowledged and end > self._next_offset:
            self.stranger = True

    def mark(self, now: float, *, at_once: bool = False) -> None:
        """Say what is paid, where nothing else has said it for a while."""
        if self._marked < self._paid and (at_once or now - self._paid_at >= MARK_SECONDS) and not self._underway:
            if self.partition.has_graves:
                self._begin(self.partition.decide((), {}, 0))
            marker = Marker(self._claim.epoch, self._paid, self.partition.last_round, self._claim.topics)
            self._write([{"key": MARKER_KEY, "value": encode(marker)}], None)
            self._marked = self._paid

    def _begin(self, round_: Round) -> None:
        underway = _Underway(round_, time.perf_counter())
        records: list[dict[str, Any]] = []
        for key, commit in round_.commits.items():
            try:
                raw = b"" if commit.entry is None else self._replica.encoded(key, commit.entry)
            except StateError as error:
                self.unwritable = (key, str(error))
                return
            value = encode(Record(self._claim.epoch, round_.number, self._paid, raw, commit.owed))
            if len(value) > LARGEST_KEPT:
                self.unwritable = (key, f"its record of the changelog would take {len(value)} bytes")
                return
            underway.entries[key] = raw
            records.append({"key": key.encode(), "value": value})
        self._underway.append(underway)
        records += ({"key": key.encode(), "value": None} for key in round_.graves)
        self._counters.changelog_records += len(records)
        if records:
            if round_.commits:
                self._marked = self._paid
            self._write(records, underway)

    def _write(self, records: list[dict[str, Any]], underway: _Underway | None) -> None:
        """To the changelog, where nobody else writes: the offsets tell if somebody did."""
        count = len(records)
        self._unacknowledged += 1

        def acknowledged(error: KafkaError | None, record: Fetched) -> None:
            if error is not None:
                self._failed = error
                return
            self._unacknowledged -= 1
            offset = record.offset()
            if offset != self._next_offset + count - 1:
                self.stranger = True
            self._next_offset = offset + 1
            if underway is not None:
                underway.offset = offset + 1
                underway.awaited -= 1

        if underway is not None:
            underway.awaited += 1
        self._send(self._changelog, self.number, records, acknowledged)

    def _publish(self, underway: _Underway) -> None:
        now = time.perf_counter()
        self._counters.changelog_seconds.observe(now - underway.began)
        underway.began = now
        underway.durable = True
        round_ = underway.round
        self.partition.durable(round_)
        self.asked |= round_.asked
        self.given_up += round_.given_up

        def acknowledged(error: KafkaError | None, _record: Fetched) -> None:
            if error is not None:
                self._failed = error
                return
            underway.awaited -= 1

        batches: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for output in round_.outputs:
            record: dict[str, Any] = {"key": output.key, "value": output.value}
            if output.headers:
                record["headers"] = list(output.headers)
            batches.setdefault((output.topic, output.partition), []).append(record)
        for (topic, partition), records in batches.items():
            underway.awaited += 1
            self._send(topic, partition, records, acknowledged)

    def _send(
        self, topic: str, partition: int, records: list[dict[str, Any]], acknowledged: Callable[..., None]
    ) -> None:
        records[-1]["callback"] = acknowledged
        producer = self._producer
        if any("headers" in record for record in records):  # a batch can't carry any
            for record in records:
                producer.produce(
                    topic,
                    record["value"],
                    record["key"],
                    partition,
                    record.get("callback"),
                    headers=record.get("headers"),
                )
        elif producer.produce_batch(topic, records, partition) != len(records):
            errors = [record["_error"] for record in records if "_error" in record]
            raise OwnerError(f"{topic}[{partition}] takes no more records: {errors[0]}")

    def _settle(self, underway: _Underway) -> None:
        now = time.perf_counter()
        counters, round_ = self._counters, underway.round
        counters.publish_seconds.observe(now - underway.began)
        counters.sent += len(round_.outputs)
        self._paid = round_.number
        self._paid_at = time.monotonic()
        entries = underway.entries
        settled = [(key, entry, entries[key]) for key, entry in self.partition.paid(round_)]
        if settled:
            self._replica.settle(settled, underway.offset, round_.number)
            counters.flush_seconds.observe(time.perf_counter() - now)
        self.done |= round_.positions
