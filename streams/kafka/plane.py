"""The data thread of a service: reads, decides and writes everything, on librdkafka alone.

Faust's loop tells it which partitions it has (`assign`, `revoke`) and asks what to commit; nothing else crosses. Of a
partition it first folds the changelog; then it claims it, folds up to its own claim, and owns it until it is revoked.
What goes wrong on the way, or in the middle of a life, ends that life: the partition is folded again, as after a crash.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from schemas.errors import OrderflowError
from streams.changelog import MARKER_KEY, Marker, encode
from streams.decision import Performed, Wake
from streams.effects import Load, Outside, Perform, Policy
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.group import Assignment, Group, Position
from streams.kafka.lease import Lease
from streams.kafka.owner import Claim, Owner
from streams.kafka.performer import Performer
from streams.kafka.references import References
from streams.kafka.replica import Replica
from streams.kafka.status import PartitionStatus, Role
from streams.kafka.topics import LARGEST_INTERNAL, own_topic_of
from streams.kafka.wire import Codecs, Wire
from streams.own import OwnError
from streams.partitioner import partition_of
from streams.stores import Stores

log = logging.getLogger(__name__)

#: Records of one read: more would not be faster, and a round is repeated as a whole after a crash.
MOST_RECORDS = 2_000
#: How long a thread with nothing to do waits for a record; also how long an assignment may have to wait for it.
IDLE_SECONDS = 0.1
#: Between two looks at what is on its way.
BUSY_SECONDS = 0.001
DRAIN_SECONDS = 5.0
#: A thread that has not come round for so long hangs.
STUCK_SECONDS = 60.0
#: Of a broker, to one question. Several may be asked in a row, and a revocation must not wait for them too long.
ANSWER_SECONDS = 3.0
CLOSE_SECONDS = 10.0
#: Between two looks at what came of the effects in flight.
EFFECTS_MILLIS = 5.0
RETRY_SECONDS = 1.0
STATUS_SECONDS = 1.0
#: Between two words about a recovery that takes long.
PROGRESS_SECONDS = 5.0
#: Between two looks at whether the topics are still those that we began with.
TOPICS_SECONDS = 30.0

_PRODUCER: dict[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    # Of a batch, the last acknowledgement stands for all: a record that is refused ends the producer instead.
    "enable.gapless.guarantee": True,
    # A broker that is away is waited for. Whoever owns the partition then is decided by the changelog's order.
    "message.timeout.ms": 0,
    "compression.type": "lz4",
    "linger.ms": 0,
    "batch.num.messages": 10_000,
    "queue.buffering.max.messages": 500_000,
    "message.max.bytes": LARGEST_INTERNAL,
}
_CONSUMER: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # Positions come from the group; where they point to nothing, that is for us to judge.
    "auto.offset.reset": "error",
    "fetch.queue.backoff.ms": 10,
    "queued.min.messages": 20_000,
    "queued.max.messages.kbytes": 32_768,
}


class PlaneError(OrderflowError):
    """The data thread can't go on."""


class _GoneError(PlaneError):
    """A topic that was there."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"{topic} is gone; restore it: nothing goes on without it")
        self.topic = topic


@dataclass(slots=True)
class _Recovery:
    """A partition on its way to its owner."""

    replica: Replica[Any]
    began: float
    #: As many records as there seemed to be.
    wanted: int
    read_at_start: int
    #: The end of the changelog was seen.
    read: bool = False
    claim: Marker | None = None
    #: The offset of our claim, once it is acknowledged.
    claimed_at: int | None = None


class Plane:
    """Built for one service; lives as long as the process."""

    def __init__(
        self,
        codecs: Codecs,
        group: Group,
        client: Mapping[str, str],
        stores: Stores,
        lease: Lease,
        counters: Counters,
        *,
        perform: Mapping[type, Perform],
        policies: Mapping[type, Policy],
    ) -> None:
        self._codecs = codecs
        self._group = group
        self._client: dict[str, Any] = {**client, "log_level": 3, "logger": logging.getLogger("librdkafka")}
        self.references = References(codecs, self._client, counters)
        self._service = codecs.service.reading(self.references)
        self._stores = stores
        self._lease = lease
        self._counters = counters
        self._own = own_topic_of(codecs.service.name, codecs.environment)
        self._policies = policies
        self._performer = Performer(perform, policies, lambda: None)
        self._outside = Outside(policies)
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._assignment: Assignment | None = None
        #: Partitions whose changelog is to be read from the store's end on, as soon as a broker says where it ends.
        self._unbegun: set[int] = set()
        self._retry_at = 0.0
        self._replicas: dict[int, Replica[Any]] = {}
        self._recoveries: dict[int, _Recovery] = {}
        self._owners: dict[int, Owner[Any]] = {}
        #: By partition, the keys of which something could not be written. Each cost the partition a life.
        self._suspects: dict[int, set[str]] = {}
        #: By partition, our last claim since it was assigned.
        self._epochs: dict[int, int] = {}
        self._ids: dict[str, str] = {}
        self._positions: dict[tuple[str, int], Position] = {}
        self._restorer: Consumer | None = None
        #: One value, as another thread reads it.
        self._told: tuple[int | None, tuple[PartitionStatus, ...]] = (None, ())
        self._loads: Mapping[type, Load] = {}
        self._status_at = self._topics_at = self._progress_at = 0.0
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
        revoked: asyncio.Future[None] = loop.create_future()

        def command() -> None:
            self._revoked()
            loop.call_soon_threadsafe(_resolve, revoked)

        self._commands.put(command)
        while not revoked.done() and self._thread.is_alive():  # a thread that died writes nothing any more
            await asyncio.wait({revoked}, timeout=IDLE_SECONDS)

    def committable(self) -> Mapping[tuple[str, int], Position]:
        return dict(self._positions)

    def failure(self) -> BaseException | None:
        if self._failure is None and self._thread.is_alive() and time.monotonic() - self._beat > STUCK_SECONDS:
            return PlaneError(f"the data thread of {self._group.name} has not moved for {STUCK_SECONDS:.0f} s")
        return self._failure

    async def close(self) -> None:
        if not self._thread.is_alive():
            return
        self._closing = True
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)

    def told(self) -> tuple[int | None, tuple[PartitionStatus, ...]]:
        """The generation of our assignment, if we have one, and how each of its partitions is."""
        return self._told

    def loads(self) -> Mapping[type, Load]:
        return self._loads

    # All the rest is the thread's.

    def _main(self) -> None:
        try:
            self._producer = self._new_producer()
            self._inputs = Consumer({**self._client, **_CONSUMER, "group.id": self._group.name})
            self._admin = AdminClient(self._client)
            while not self._closing:
                self._beat = time.monotonic()
                self._obey()
                self._turn()
            self._revoked()
        except BaseException as error:
            log.exception("the data thread of %s ends", self._group.name)
            fatal = isinstance(error, KafkaException) and error.args[0].fatal()
            self._failure = self._unwritable(error.args[0]) if fatal else error
        finally:
            self._close()

    def _close(self) -> None:
        self._performer.close(0)
        for replica in self._replicas.values():
            replica.close()
        self._replicas.clear()
        for consumer in (getattr(self, "_inputs", None), self._restorer):
            if consumer is not None:
                consumer.close()
        self.references.close()

    def _obey(self) -> None:
        resting = not self._owners and self._restorer is None
        while True:
            try:
                command = self._commands.get(timeout=IDLE_SECONDS) if resting else self._commands.get_nowait()
            except Empty:
                return
            command()
            resting = False

    def _turn(self) -> None:
        now = time.monotonic()
        if self._unbegun and now >= self._retry_at:
            self._begin()
        self.references.follow()
        restored = self._restore()
        read = self._read(restored)
        busy = any(not owner.idle for owner in self._owners.values())
        self._producer.poll(BUSY_SECONDS if busy and not read else 0)
        for owner in list(self._owners.values()):
            self._move_on(owner)
        self._claim_what_is_read()
        if self._lease.holds():
            self._do_what_is_due()
            for owner in self._owners.values():
                owner.mark(now)
        if now >= self._status_at:
            self._status_at = now + STATUS_SECONDS
            self._told, self._loads = self._looked_at(), self._outside.loads()
            self._tell_progress(now)
            self._look_at_topics(now)

    # From an assignment to owners.

    def _assigned(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._unbegun = set(assignment.active | assignment.standby)
        self._positions, self._epochs = {}, {}
        self._retry_at = 0.0
        self._told = self._looked_at()
        for number in self._replicas.keys() - self._unbegun:
            self._replicas.pop(number).close()

    def _begin(self) -> None:
        """Start to read changelogs. A broker that doesn't answer is asked again."""
        changelog = self._group.changelog
        try:
            self._ids = self._ids or self._topic_ids()
            if self._restorer is None:
                self._restorer = self._new_restorer()
            for number in sorted(self._unbegun):
                replica = self._replicas.get(number)
                if replica is None:
                    replica = self._replicas[number] = self._new_replica(number)
                replica.begin_again()
                if self._assignment is not None and number in self._assignment.active:
                    self._recoveries[number] = self._new_recovery(self._restorer, replica)
                place = TopicPartition(changelog, number, replica.offset or OFFSET_BEGINNING)
                self._restorer.incremental_assign([place])
                self._unbegun.discard(number)
        except (KafkaException, TimeoutError, _GoneError) as error:
            log.warning("%s: the brokers don't say what there is to restore (%r); asked again", self._group.name, error)
            self._retry_at = time.monotonic() + RETRY_SECONDS
        self._topics_at = time.monotonic() + TOPICS_SECONDS
        self._progress_at = time.monotonic() + PROGRESS_SECONDS

    def _new_restorer(self) -> Consumer:
        return Consumer({**self._client, **_CONSUMER, "group.id": self._group.name, "enable.partition.eof": True})

    def _new_replica(self, number: int) -> Replica[Any]:
        changelog = self._group.changelog
        store = self._stores.open(self._group.name, number)
        topic_id = self._ids[changelog]
        return Replica(self._service, store, changelog=changelog, topic_id=topic_id, partition=number)

    def _new_recovery(self, restorer: Consumer, replica: Replica[Any]) -> _Recovery:
        number = replica.partition
        low, high = restorer.get_watermark_offsets(
            TopicPartition(self._group.changelog, number), timeout=ANSWER_SECONDS
        )
        if replica.offset > high:
            raise PlaneError(
                f"{self._group.changelog}[{number}] ends at {high}, but the local store was filled up to "
                f"{replica.offset}: the changelog lost records, and going on would take the state back. Restore the "
                f"topic; or accept what it has: orderflow state drop {self._service.name} --partition {number}"
            )
        return _Recovery(replica, time.monotonic(), high - max(low, replica.offset), replica.restored)

    def _restore(self) -> int:
        """Read what the changelogs have; how many records that was."""
        if self._restorer is None:
            return 0
        # Who has inputs to wait for doesn't wait here, too.
        patience = 0.005 if self._recoveries else 0 if self._owners else IDLE_SECONDS
        records = _fetched(self._restorer, 10_000, patience)
        by_number: dict[int, list[Fetched]] = {}
        ended: list[int] = []
        for record in records:
            error = record.error()
            if error is None:
                by_number.setdefault(record.partition(), []).append(record)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes begin so
                ended.append(record.partition())
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
                raise PlaneError(f"{self._group.changelog}[{record.partition()}] lost records while it was read")
            else:
                self._complain(record, error)
        for number, each in by_number.items():
            if number in self._replicas and number not in self._owners:
                self._replicas[number].read(each)
                self._counters.restored += len(each)
        for number in ended:
            if number in self._recoveries:
                self._recoveries[number].read = True
        return len(records)

    def _claim(self, number: int, recovery: _Recovery) -> None:
        """Say in the changelog that from here on the partition is ours."""
        fold = recovery.replica.fold
        if fold.epoch > self._epochs.get(number, fold.epoch):
            # Whoever the group chose after us was faster. It will tell us, too; until then nothing is ours here.
            return
        topics: dict[str, tuple[int, str]] = {}
        for topic in self._group.inputs:
            count, known = fold.topics.get(topic, (1, self._ids[topic]))
            # Another topic under the same name: its offsets begin anew, and must not be taken for the old ones.
            topics[topic] = (count if known == self._ids[topic] else count + 1, self._ids[topic])
        claim = fold.claim(self._assignment.generation if self._assignment else 0, topics, again=number in self._epochs)
        recovery.claim, self._epochs[number] = claim, claim.epoch

        def acknowledged(error: KafkaError | None, record: Any) -> None:
            if error is not None:
                self._failure = PlaneError(f"{self._group.changelog}[{number}] refuses our claim: {error.str()}")
            else:
                recovery.claimed_at = record.offset()

        self._producer.produce(self._group.changelog, encode(claim), MARKER_KEY, number, acknowledged)

    def _claim_what_is_read(self) -> None:
        if not self._lease.holds():
            # Others may own them by now, and our claim would void what they write.
            return
        if not self.references.loaded:  # nothing may be decided yet
            return
        for number, recovery in list(self._recoveries.items()):
            claimed_at = recovery.claimed_at
            if recovery.claim is None and recovery.read:
                self._claim(number, recovery)
            elif claimed_at is not None and recovery.replica.offset > claimed_at:
                try:
                    self._own_it(number, recovery)
                except KafkaException as error:
                    log.warning("%s[%s]: where to read on is not known (%s)", self._group.name, number, error)

    def _own_it(self, number: int, recovery: _Recovery) -> None:
        claim = recovery.claim
        assert claim is not None  # noqa: S101 - it was acknowledged
        if recovery.replica.fold.epoch > claim.epoch:  # as in `_claim`
            return
        places = self._places(number)
        aliases = {topic: topic if count == 1 else f"{topic}#{count}" for topic, (count, _) in claim.topics.items()}
        suspects = self._suspects.setdefault(number, set())
        wire = Wire(self._codecs, number, self._group.partitions, aliases, self._counters, suspects=suspects)
        self._owners[number] = Owner(
            self._service,
            wire,
            recovery.replica,
            Claim(claim, recovery.claimed_at or 0),
            producer=self._producer,
            lease=self._lease,
            counters=self._counters,
        )
        del self._recoveries[number]
        seconds = time.monotonic() - recovery.began
        restored = recovery.replica.restored - recovery.read_at_start
        log.info("%s[%s]: ours after %s records in %.1f s", self._group.name, number, restored, seconds)
        self._inputs.incremental_assign(places)
        if self._restorer is not None:
            self._restorer.incremental_unassign([TopicPartition(self._group.changelog, number)])
            if not self._recoveries and len(self._owners) == len(self._replicas):  # no standby needs it
                self._restorer.close()
                self._restorer = None

    def _places(self, number: int) -> list[TopicPartition]:
        """Where to read on: from what the group has committed for these very topics."""
        asked = [TopicPartition(topic, number) for topic in sorted(self._group.inputs)]
        places = []
        for place in self._inputs.committed(asked, timeout=ANSWER_SECONDS):
            if place.error is not None:
                raise KafkaException(place.error)
            known, _, changelog = (place.metadata or "").partition("\0")[0].partition(" ")
            if changelog not in ("", self._ids[self._group.changelog]):
                raise PlaneError(
                    f"{self._group.changelog}: it was deleted and made again since {place.topic}[{number}] was "
                    f"committed at {place.offset}, so nobody knows what was decided before. Restore the topic; or, to "
                    f"accept the loss, stop all workers and reset the offsets of {self._group.name} "
                    "(kafka-consumer-groups --reset-offsets) to decide again what its inputs still have"
                )
            ours = place.offset >= 0 and known in ("", self._ids[place.topic])
            places.append(TopicPartition(place.topic, number, place.offset if ours else OFFSET_BEGINNING))
        return places

    # Owners at work.

    def _read(self, restored: int) -> int:
        """Hand what there is to the owners; how many records that was."""
        owners = self._owners
        if not owners:
            return 0
        if not self._lease.holds():
            time.sleep(IDLE_SECONDS / 10)
            return 0
        if not all(owner.room for owner in owners.values()):
            return 0
        records = _fetched(self._inputs, 1, self._patience(restored))
        if not records:
            return 0
        records += _fetched(self._inputs, MOST_RECORDS - 1, 0)
        self._counters.consumed += len(records)
        self._counters.batch.observe(len(records))
        batches: dict[int, dict[str, list[Fetched]]] = {}
        for record in records:
            error = record.error()
            if error is not None:
                self._complain(record, error)
                continue
            topics = batches.setdefault(record.partition(), {})
            topic = record.topic()
            if topic in topics:
                topics[topic].append(record)
            else:
                topics[topic] = [record]
        now = int(time.time() * 1000)
        for number, by_topic in batches.items():
            owner = owners.get(number)
            if owner is not None:
                owner.take(by_topic, now)
        return len(records)

    def _patience(self, restored: int) -> float:
        """How long to wait for a record when there is none."""
        if restored or self._recoveries or any(not owner.idle for owner in self._owners.values()):
            return 0
        now = time.time() * 1000
        waits = [at - now for owner in self._owners.values() if (at := owner.partition.wakes.next_at) is not None]
        if (at := self._outside.next_at()) is not None:
            waits.append(at - _monotonic())
        if any(load.in_flight for load in self._outside.loads().values()):
            waits.append(EFFECTS_MILLIS)
        return min(IDLE_SECONDS, max(0.0, min(waits) / 1000)) if waits else IDLE_SECONDS

    def _move_on(self, owner: Owner[Any]) -> None:
        owner.advance()
        number, now = owner.number, _monotonic()
        if owner.asked:
            for effect_id, (key, effect) in owner.asked.items():
                self._outside.ask(key, effect_id, effect, now)
            owner.asked = {}
        if owner.given_up:
            for effect_id in owner.given_up:
                self._outside.give_up(effect_id)
            owner.given_up = []
        if owner.done:
            self._note(owner)
        if owner.stranger:
            log.warning(
                "%s[%s]: somebody else wrote here, an owner before us that was frozen or cut off; read again",
                *(self._group.changelog, number),
            )
            self._counters.fences += 1
            self._relearn(number)
        elif owner.unwritable:
            self._suspect(number, *owner.unwritable)

    def _note(self, owner: Owner[Any]) -> None:
        """Let the group know how far it is."""
        changelog = self._ids[self._group.changelog]
        for topic, offset in owner.done.items():
            self._positions[topic, owner.number] = Position(offset, f"{self._ids[topic]} {changelog}")
        owner.done = {}

    def _suspect(self, number: int, key: str, problem: str) -> None:
        """Begin again without what can't be written: whatever asks for it is a dead letter then."""
        if key in self._suspects[number]:
            raise PlaneError(f"{self._group.changelog}[{number}]: the state of {key} can't be written: {problem}")
        log.warning("%s[%s]: the state of %s can't be written: %s", self._group.changelog, number, key, problem)
        self._suspects[number].add(key)
        self._relearn(number)

    def _relearn(self, number: int) -> None:
        """End this life of a partition, and begin the next."""
        del self._owners[number]
        self._inputs.incremental_unassign([TopicPartition(topic, number) for topic in sorted(self._group.inputs)])
        self._unbegun.add(number)

    def _do_what_is_due(self) -> None:
        for owner in self._owners.values():
            for key, deadline in owner.partition.wakes.take(int(time.time() * 1000)):
                self._counters.wake_ups += 1
                self._tell_itself(owner.number, key, self._codecs.own.encode(Wake(deadline)))
        now = _monotonic()
        # Before the next start: an outcome that comes on its call's deadline is in time.
        for result in self._performer.results():
            kind = type(result.call.effect).__name__
            if result.error is not None:
                self._counters.effects[kind, "failed"] += 1
                self._outside.failed(result.call, now, result.error)
                continue
            number = partition_of(result.call.key.encode(), self._group.partitions)
            try:
                told = self._codecs.own.encode(Performed(result.call.effect_id, result.outcome))
            except OwnError as error:
                self._counters.effects[kind, "failed"] += 1
                self._outside.failed(result.call, now, error)
                continue
            if self._outside.answered(result.call) and number in self._owners:
                self._counters.effects[kind, "performed"] += 1
                self._tell_itself(number, result.call.key, told)
        for call in self._outside.start(now):
            self._performer.submit(call)

    def _tell_itself(self, number: int, key: str, value: bytes) -> None:
        """Through its own topic. If it gets lost, the next life of the partition does it again."""
        self._producer.produce(self._own, value, key.encode(), number)

    # The end of a life.

    def _revoked(self) -> None:
        """Bring to an end what is on its way, if that is possible in time; forget the rest."""
        self._assignment = None
        self._unbegun.clear()
        deadline = time.monotonic() + DRAIN_SECONDS
        owners = list(self._owners.values())
        while (
            not all(owner.idle or owner.over for owner in owners)
            and self._lease.holds()
            and time.monotonic() < deadline
        ):
            self._producer.poll(BUSY_SECONDS)
            for owner in owners:
                owner.advance()
        for owner in owners:
            self._note(owner)
            if owner.idle and self._lease.holds():
                owner.mark(time.monotonic(), at_once=True)
        if self._producer.flush(0 if not all(owner.idle for owner in owners) else 1.0):
            # What is still on its way must not be sent when a broker comes back, if that can be helped.
            self._producer.purge(in_queue=True, in_flight=True, blocking=False)
            self._producer = self._new_producer()
        self._owners.clear()
        self._recoveries.clear()
        self._suspects.clear()
        self._inputs.unassign()
        if self._restorer is not None:
            self._restorer.close()
            self._restorer = None
        self._outside = Outside(self._policies)
        # Asked for again with the next assignment: a topic may be another one by then.
        self._ids = {}
        self._told = self._looked_at()

    def _new_producer(self) -> Producer:
        return Producer({**self._client, **_PRODUCER, "error_cb": self._heard})

    def _heard(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = self._unwritable(error)

    def _unwritable(self, error: KafkaError) -> PlaneError:
        """What a topic refused for good: librdkafka says which and why."""
        return PlaneError(
            f"{self._group.name} can't write to Kafka any more: {error.str()}. Nothing that needs it is acknowledged: "
            "mend that topic (its max.message.bytes, its ACLs, whether it is there), and start the worker again"
        )

    # Looking around.

    def _topic_ids(self) -> dict[str, str]:
        """By name. Raises PlaneError if they are not as many partitions as they were."""
        names = [*self._group.inputs, self._group.changelog]
        ids = {}
        for name, future in self._admin.describe_topics(TopicCollection(names), request_timeout=ANSWER_SECONDS).items():
            try:
                found = future.result(ANSWER_SECONDS)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise _GoneError(name) from error
                raise
            if len(found.partitions) != self._group.partitions:
                raise PlaneError(
                    f"{name} has {len(found.partitions)} partitions now, but {self._group.name} divides its state by "
                    f"{self._group.partitions}: keys would meet another key's state. Restore the topic"
                )
            ids[name] = str(found.topic_id)
        return ids

    def _look_at_topics(self, now: float) -> None:
        if now < self._topics_at or not self._owners:
            return
        self._topics_at = now + TOPICS_SECONDS
        try:
            ids = self._topic_ids()
            ends = {
                number: self._inputs.get_watermark_offsets(
                    TopicPartition(self._group.changelog, number), timeout=ANSWER_SECONDS
                )[1]
                for number in self._owners
            }
        except _GoneError as error:
            if error.topic == self._group.changelog:
                raise
            log.warning("%s: %s", self._group.name, error)
            return
        except (KafkaException, TimeoutError) as error:
            log.warning("%s: the brokers don't say how its topics are (%r)", self._group.name, error)
            return
        for number, end in ends.items():
            self._owners[number].look(end)
        changed = [topic for topic in self._group.inputs if ids[topic] != self._ids[topic]]
        if ids[self._group.changelog] != self._ids[self._group.changelog]:
            raise PlaneError(f"{self._group.changelog} was deleted and made again while its state was in use")
        if changed:
            log.warning("%s: %s made anew; read from the beginning", self._group.name, ", ".join(changed))
            self._ids = ids
            for number in list(self._owners):
                self._relearn(number)

    def _complain(self, record: Fetched, error: KafkaError) -> None:
        place = f"{record.topic()}[{record.partition()}]"
        if error.fatal():
            raise PlaneError(f"{place}: {error.str()}")
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            self._out_of_range(record)
        else:
            log.warning("%s: %s", place, error.str())

    def _out_of_range(self, record: Fetched) -> None:
        """Our position is not on the topic any more: retention passed us, or it is another topic."""
        place = TopicPartition(record.topic(), record.partition())
        self._topics_at = 0.0
        try:
            low, high = self._inputs.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            log.warning("%s[%s]: what it has is not known (%s)", place.topic, place.partition, error)
            self._relearn(place.partition)
            return
        log.error(
            "%s[%s]: offset %s is not there any more, it has %s to %s; read from its beginning. Records may have been "
            "deleted by retention before they were read",
            *(place.topic, place.partition, record.offset(), low, high),
        )
        self._inputs.incremental_unassign([place])
        self._inputs.incremental_assign([TopicPartition(place.topic, place.partition, low)])

    def _looked_at(self) -> tuple[int | None, tuple[PartitionStatus, ...]]:
        assignment = self._assignment
        if assignment is None:
            return None, ()
        return assignment.generation, tuple(map(self._look_at, sorted(assignment.active | assignment.standby)))

    def _look_at(self, number: int) -> PartitionStatus:
        replica, recovery = self._replicas.get(number), self._recoveries.get(number)
        owner = self._owners.get(number)
        restored = replica.restored - (recovery.read_at_start if recovery else 0) if replica else 0
        eta = None
        if recovery is not None and restored:
            spent = time.monotonic() - recovery.began
            eta = max(0.0, (recovery.wanted - restored) * spent / restored)
        role: Role = "active" if owner else "recovering" if recovery else "standby"
        return PartitionStatus(
            partition=number,
            role="waiting" if number in self._unbegun else role,
            lag=self._lag(number),
            restored=restored,
            to_restore=recovery.wanted if recovery else restored,
            eta_seconds=eta,
            parked=len(owner.partition.parked) if owner else 0,
        )

    def _tell_progress(self, now: float) -> None:
        if now < self._progress_at:
            return
        self._progress_at = now + PROGRESS_SECONDS
        for each in self._told[1]:
            if each.role == "recovering":
                left = "" if each.eta_seconds is None else f", about {each.eta_seconds:.0f} s to go"
                log.info(
                    "%s[%s]: %s of %s changelog records restored%s",
                    *(self._group.name, each.partition, each.restored, each.to_restore, left),
                )

    def _lag(self, number: int) -> int:
        if number not in self._owners:
            return 0
        places = [TopicPartition(topic, number) for topic in self._group.inputs]
        lag = 0
        for place in self._inputs.position(places):
            _, high = self._inputs.get_watermark_offsets(place, cached=True)
            if place.offset >= 0 and high >= 0:
                lag += max(0, high - place.offset)
        return lag


def _fetched(consumer: Consumer, most: int, seconds: float) -> list[Fetched]:
    return cast("list[Fetched]", consumer.consume(most, seconds))


def _monotonic() -> int:
    return int(time.monotonic() * 1000)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
