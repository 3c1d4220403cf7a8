"""The data thread of a read model: reads its partitions from where the DATABASE is, and writes them into it.

Two threads, so that the next batch is read while PostgreSQL works on the last one; only one of them writes.

A batch is what was read of one partition of one topic. Its rows and its progress are one transaction, fenced by the
epoch that its owner took; Kafka's own offsets follow, for tools that show lag, and are never read. Whatever ends a
batch but its own records (a database that is away, a registry, a full disk) is waited out with the batch in hand.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from zlib import crc32

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from projections.brake import Brake, BrakedError
from projections.database import DatabaseError
from projections.letters import Letters, UndeliveredError
from projections.models.model import ReadModel
from projections.reading import Read, Reader
from projections.store import FencedError, Owned, Store, UnwritableError
from streams.codec import Codec
from streams.errors import RegistryError
from streams.kafka.clients import ANSWER_SECONDS, CONSUMER, PlaneError, complain, fetched
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.group import Assignment, Group, Position
from streams.kafka.lease import Lease
from streams.kafka.status import PartitionStatus, Role

log = logging.getLogger(__name__)

#: Records that are tried apart in one transaction, which is to stay short.
MOST_SIFTED = 500
#: Records of one read, over all partitions: a batch is large enough for COPY, and short enough to be repeated.
MOST_RECORDS = 10_000
IDLE_SECONDS = 0.1
#: Between two looks whether a transaction has ended.
BUSY_SECONDS = 0.005
#: The group may wait so long for a transaction that is under way. One that takes longer is fenced by the next owner.
REVOKE_SECONDS = 4.0
STUCK_SECONDS = 90.0
CLOSE_SECONDS = 10.0
STATUS_SECONDS = 1.0
#: Between two looks whether topics are the ones that they were.
TOPICS_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 10.0

Spot = tuple[str, int]
#: What passes, or is mended by people while the batch waits.
_PASSING = (DatabaseError, UndeliveredError, RegistryError, KafkaException, TimeoutError)


@dataclass(slots=True)
class _Batch:
    """Records of one partition that are not applied yet."""

    spot: Spot
    records: list[Fetched]
    #: Offsets of those that are dead letters.
    dead: set[int] = field(default_factory=set)
    #: What they say, where it was found out before their turn came.
    read: Read | None = None


@dataclass(slots=True)
class Patience:
    """Pauses that double, apart from those of others."""

    name: str
    attempts: int = 0
    until: float = 0.0

    def waits(self, now: float) -> bool:
        return now < self.until

    def lose(self) -> None:
        pause = min(FIRST_PAUSE_SECONDS * 2**self.attempts, LONGEST_PAUSE_SECONDS)
        jitter = crc32(f"{self.name} {os.getpid()} {self.attempts}".encode()) / 2**32
        self.attempts += 1
        self.until = time.monotonic() + pause * (0.5 + jitter / 2)

    def gain(self) -> None:
        self.attempts, self.until = 0, 0.0


class Projector:
    """A data plane (`streams.kafka.group.DataPlane`) for one read model."""

    def __init__(
        self,
        model: ReadModel,
        group: Group,
        client: Mapping[str, str],
        codec: Codec,
        store: Store,
        lease: Lease,
        counters: Counters,
        letters: Letters,
    ) -> None:
        self._model = model
        self._group = group
        self._client: dict[str, Any] = {**client, "log_level": 3, "logger": logging.getLogger("librdkafka")}
        self._reader = Reader(model, codec, counters, group.partitions)
        self._store = store
        self._lease = lease
        self._counters = counters
        self._letters = letters
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._assignment: Assignment | None = None
        #: What of it the database does not know us to own.
        self._untaken: Assignment | None = None
        self._owned: dict[Spot, Owned] = {}
        self._pending: list[_Batch] = []
        #: Of each partition, how many records PostgreSQL has refused since it took one.
        self._in_a_row: dict[Spot, int] = {}
        #: The first of them, on its way into the database.
        self._writing: Future[None] | None = None
        self._patience = Patience(group.name)
        self._positions: dict[Spot, Position] = {}
        self._ends: dict[Spot, int] = {}
        #: As far as Kafka knows, while the database can't say.
        self._guessed: dict[Spot, int] = {}
        self._told: tuple[int | None, tuple[PartitionStatus, ...]] = (None, ())
        self._status_at = self._topics_at = 0.0
        self._closing = False
        self._failure: BaseException | None = None
        self._beat = time.monotonic()
        self._thread = Thread(target=self._main, name=f"{group.name}-data", daemon=True)

    # On the loop of the control plane.

    def start(self) -> None:
        self._thread.start()

    def assign(self, assignment: Assignment) -> None:
        self._commands.put(lambda: self._assigned(assignment))

    async def revoke(self) -> None:
        loop = asyncio.get_running_loop()
        revoked = asyncio.Event()

        def command() -> None:
            self._assignment = None
            self._forget()
            self._tell()
            loop.call_soon_threadsafe(revoked.set)

        self._commands.put(command)
        try:
            async with asyncio.timeout(REVOKE_SECONDS):
                await revoked.wait()
        except TimeoutError:
            log.warning("%s: a transaction is still under way; the next owner waits for its end", self._group.name)

    def committable(self) -> Mapping[Spot, Position]:
        return dict(self._positions)

    def failure(self) -> BaseException | None:
        if self._failure is None and self._thread.is_alive() and time.monotonic() - self._beat > STUCK_SECONDS:
            return PlaneError(f"the data thread of {self._group.name} has not moved for {STUCK_SECONDS:.0f} s")
        return self._failure

    async def close(self) -> None:
        if self._thread.is_alive():
            self._closing = True
            await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)

    def told(self) -> tuple[int | None, tuple[PartitionStatus, ...]]:
        """The generation of our assignment, if we have one, and how each of its partitions is."""
        return self._told

    # All the rest is the thread's.

    def _main(self) -> None:
        settings = {**self._client, **CONSUMER, "group.id": self._group.name}
        try:
            writer = ThreadPoolExecutor(1, f"{self._group.name}-writer")
            with closing(Consumer(settings)) as self._consumer, closing(self._store), writer as self._writer:
                self._admin = AdminClient(self._client)
                while not self._closing:
                    self._beat = time.monotonic()
                    self._obey(0 if self._turn() else IDLE_SECONDS / 2)
        except BaseException as error:
            log.exception("the data thread of %s ends", self._group.name)
            self._failure = error

    def _obey(self, seconds: float) -> None:
        while True:
            try:
                command = self._commands.get(timeout=seconds) if seconds else self._commands.get_nowait()
            except Empty:
                return
            command()
            seconds = 0

    def _turn(self) -> bool:
        """Whether there was anything to do; reading waits by itself for what there is to read."""
        now = time.monotonic()
        # Whoever lost the lease must not take partitions back from who has them now.
        works = self._assignment is not None and self._lease.holds() and not self._patience.waits(now)
        if works:
            try:
                self._work(now)
            except FencedError as fenced:
                # Whoever fenced us has committed, or has the partition now. What is true the database knows.
                log.warning("%s; begun again from there", fenced)
                self._counters.fences += 1
                self._forget()
                self._patience.lose()
            except BrakedError as error:
                # Each time: nobody but people can end it.
                log.error("%s: waits, and tries again: %s", self._group.name, error)  # noqa: TRY400 - it says all
                self._patience.lose()
            except _PASSING as error:
                if self._patience.attempts == 0:
                    log.warning("%s: waits, and tries again: %s", self._group.name, error)
                self._patience.lose()
        if now >= self._status_at:
            self._status_at = now + STATUS_SECONDS
            self._look_at_ends()
            self._tell()
        return works and bool(self._owned)

    def _work(self, now: float) -> None:
        """One step, so that a revocation need not wait for more."""
        if self._untaken is not None:
            self._take(self._untaken)
            self._untaken = None
            self._topics_at = now + TOPICS_SECONDS
            self._patience.gain()
        elif now >= self._topics_at:
            self._look_at_topics()
            self._topics_at = now + TOPICS_SECONDS
        elif self._writing is not None:
            self._attend(self._writing)
        elif self._pending:
            self._writing = self._writer.submit(self._apply, self._pending[0])
        elif self._owned:
            self._read(IDLE_SECONDS)
            self._patience.gain()

    def _attend(self, writing: Future[None]) -> None:
        """Get the next batch ready meanwhile."""
        if not writing.done():
            coming = self._pending[1:]
            unread = next((batch for batch in coming if batch.read is None), None)
            if unread is not None:
                unread.read = self._reader.read(self._owned[unread.spot], unread.records)
            elif sum(len(batch.records) for batch in coming) < MOST_RECORDS:
                self._read(BUSY_SECONDS)
            else:
                wait([writing], IDLE_SECONDS)
            return
        self._writing = None
        writing.result()
        self._pending.pop(0)
        self._patience.gain()

    # From an assignment to owned partitions.

    def _assigned(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._positions, self._in_a_row, self._guessed = {}, {}, {}
        self._forget()
        self._patience.gain()
        self._tell()

    def _forget(self) -> None:
        """All but what is ours; the database says where to go on."""
        if self._writing is not None:
            wait([self._writing])
            self._writing = None
        self._untaken = self._assignment
        self._owned, self._pending, self._ends = {}, [], {}
        self._consumer.unassign()

    def _take(self, assignment: Assignment) -> None:
        """All partitions; those of one number lie on several topics."""
        ids = self._topic_ids()
        owned = {
            (topic, number): self._store.take(topic, number, ids[topic])
            for topic in sorted(ids)
            for number in sorted(assignment.active)
        }
        self._consumer.assign(
            [TopicPartition(*spot, found.next_offset or OFFSET_BEGINNING) for spot, found in owned.items()]
        )
        self._owned = owned
        self._positions = {spot: Position(found.next_offset, found.topic_id) for spot, found in owned.items()}
        self._tell()

    def _look_at_topics(self) -> None:
        """One that was made anew is begun anew: the database tells by its id."""
        ids = self._topic_ids()
        if changed := sorted({topic for (topic, _), found in self._owned.items() if found.topic_id != ids[topic]}):
            log.warning("%s: %s made anew; read from the beginning", self._group.name, ", ".join(changed))
            self._forget()

    def _topic_ids(self) -> dict[str, str]:
        ids = {}
        asked = self._admin.describe_topics(TopicCollection(sorted(self._group.inputs)), request_timeout=ANSWER_SECONDS)
        for name, future in asked.items():
            found = future.result(ANSWER_SECONDS)
            if len(found.partitions) != self._group.partitions:
                raise PlaneError(
                    f"{name} has {len(found.partitions)} partitions now, but its rows came from "
                    f"{self._group.partitions}: a key's events would have no order. Restore the topic, or rebuild"
                )
            ids[name] = str(found.topic_id)
        return ids

    # Records into the database.

    def _read(self, seconds: float) -> None:
        records = fetched(self._consumer, 1, seconds)
        if not records:
            return
        records += fetched(self._consumer, MOST_RECORDS - 1, 0)
        batches: dict[Spot, list[Fetched]] = {}
        for record in records:
            error = record.error()
            spot = record.topic(), record.partition()
            if error is None:
                batches.setdefault(spot, []).append(record)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's own codes begin so
                self._out_of_range(spot)
            else:
                complain(record, error)
                # Something is strange about a topic: look at once.
                self._topics_at = 0.0
        batched = [_Batch(spot, found) for spot, found in batches.items() if spot in self._owned]
        self._pending += batched
        taken = sum(len(batch.records) for batch in batched)
        self._counters.consumed += taken
        self._counters.batch.observe(taken)

    def _apply(self, batch: _Batch) -> None:
        """All of it. Where PostgreSQL refuses, it is looked for what: that becomes a dead letter alone."""
        owned = self._owned[batch.spot]
        # Half of it may have been applied before the other half had to wait.
        records = [record for record in batch.records if record.offset() >= owned.next_offset]
        read, batch.read = batch.read or self._reader.read(owned, records, batch.dead), None
        self._bury(owned, read.refused, batch.dead)
        end = records[-1].offset() + 1
        began = time.perf_counter()
        try:
            self._store.write(owned, read.rows, end)
        except UnwritableError:
            for first in range(0, len(read.said), MOST_SIFTED):
                beyond = first + MOST_SIFTED
                self._sift(
                    batch,
                    read.said[first:beyond],
                    read.said[beyond].offset() if beyond < len(read.said) else end,
                )
        else:
            self._counters.decided += len(read.said)
            if read.said:
                self._in_a_row[batch.spot] = 0
        self._counters.flush_seconds.observe(time.perf_counter() - began)
        self._positions[batch.spot] = Position(owned.next_offset, owned.topic_id)

    def _sift(self, batch: _Batch, records: list[Fetched], end: int) -> None:
        """By halves. Nobody is buried before all were tried, as it may be the table that is to blame."""
        owned, refused = self._owned[batch.spot], list[tuple[Fetched, str]]()
        brake = Brake(len(records), self._in_a_row.get(batch.spot, 0))
        with self._store.begun(owned, end) as begun:
            parts = [records]
            while parts:
                part = parts.pop()
                cause = begun.refusal(self._reader.read(owned, part).rows)
                if cause is None:
                    brake.take()
                elif len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                else:
                    refused.append((part[0], cause))
                    if brake.refuse():
                        self._counters.brakes += 1
                        raise BrakedError(
                            f"{owned.topic}[{owned.partition}] from {owned.next_offset} on: PostgreSQL refuses record "
                            f"after record, so its table is to blame, and none becomes a dead letter. Mend the table; "
                            f"the records wait. It says of {part[0].offset()}: {cause}"
                        )
            self._bury(owned, refused, batch.dead)
        self._in_a_row[batch.spot] = brake.in_a_row
        self._counters.decided += len(records) - len(refused)

    def _bury(self, owned: Owned, refused: list[tuple[Fetched, str]], dead: set[int]) -> None:
        """Before the progress that passes them by."""
        if refused:
            self._letters.send(owned, refused)
            dead.update(record.offset() for record, _ in refused)

    def _out_of_range(self, spot: Spot) -> None:
        """Our position is not on the topic any more: retention passed us, or it is another topic."""
        self._look_at_topics()
        if (owned := self._owned.get(spot)) is None:
            return
        place = TopicPartition(*spot)
        low, high = self._consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
        if owned.next_offset > high:
            raise PlaneError(
                f"{owned.topic}[{owned.partition}] ends at {high}, but {self._model.name} has rows of records up to "
                f"{owned.next_offset}: brokers have lost what they had acknowledged, and new records will stand at "
                "offsets that count as applied. Rebuild the read model from what the topic has"
            )
        log.error(
            "%s[%s]: offset %s is not there any more, it has %s to %s; read from its beginning. Records may have been "
            "deleted by retention before they were read",
            *(*spot, owned.next_offset, low, high),
        )
        self._consumer.incremental_unassign([place])
        self._consumer.incremental_assign([TopicPartition(*spot, low)])

    # What is told.

    def _look_at_ends(self) -> None:
        """Asked for where nothing is read for now, as what librdkafka knows by itself stands still then, too."""
        asks = self._patience.attempts > 0
        if self._untaken is not None and asks:
            self._guess(self._untaken)
        for spot in self._owned:
            try:
                if asks:
                    _, end = self._consumer.get_watermark_offsets(TopicPartition(*spot), timeout=STATUS_SECONDS)
                else:
                    _, end = self._consumer.get_watermark_offsets(TopicPartition(*spot), cached=True)
            except KafkaException:
                return  # the broker is away: what was known stands
            self._ends[spot] = end

    def _guess(self, assignment: Assignment) -> None:
        """By what the group has committed: the database, which knows, is away."""
        spots = [TopicPartition(topic, number) for topic in self._group.inputs for number in assignment.active]
        try:
            for place in self._consumer.committed(spots, timeout=STATUS_SECONDS):
                low, end = self._consumer.get_watermark_offsets(place, timeout=STATUS_SECONDS)
                self._guessed[place.topic, place.partition] = end - max(low, place.offset)
        except KafkaException:
            return  # the broker is away, too: what was known stands

    def _tell(self) -> None:
        assignment = self._assignment
        if assignment is None:
            self._told = None, ()
            return
        self._told = assignment.generation, tuple(map(self._status, sorted(assignment.active)))

    def _status(self, number: int) -> PartitionStatus:
        owned = [(spot, found) for spot, found in self._owned.items() if spot[1] == number]
        guessed = sum(lag for spot, lag in self._guessed.items() if spot[1] == number)
        known = sum(max(0, self._ends.get(spot, 0) - found.next_offset) for spot, found in owned)
        lag = known if owned else guessed
        role: Role = "active" if owned else "waiting"
        return PartitionStatus(number, role, lag, restored=0, to_restore=0, eta_seconds=None, parked=0)
