"""The data thread of a service: reads, decides and writes everything, on librdkafka alone.

Faust's loop tells it which partitions it has (`assign`, `revoke`) and asks what to commit; nothing else crosses. Of a
partition it first folds the changelog; then it claims it, folds up to its own claim, and owns it until it is revoked.
What goes wrong on the way, or in the middle of a life, ends that life: the partition is folded again, as after a crash.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.decision import Performed, Wake
from streams.effects import Load, Outside, Perform, Policy
from streams.kafka.clients import ANSWER_SECONDS, CONSUMER, PRODUCER, PlaneError, complain, fetched
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.group import Assignment, Group, Position
from streams.kafka.lease import Lease
from streams.kafka.owner import Claim, Owner
from streams.kafka.performer import Performer
from streams.kafka.references import References
from streams.kafka.replica import Replica
from streams.kafka.restorer import Restorer
from streams.kafka.status import PartitionStatus
from streams.kafka.topics import own_topic_of
from streams.kafka.watch import Watch
from streams.kafka.wire import Codecs, Wire
from streams.own import OwnError
from streams.partitioner import partition_of
from streams.stores import Stores

log = logging.getLogger(__name__)

#: Records of one read: more would not be faster, and a round is repeated as a whole after a crash.
MOST_RECORDS = 2_000
#: How long a thread with nothing to do waits for a record; also how long an assignment may have to wait for it.
IDLE_SECONDS = 0.1
#: Between two looks at what is on its way. An acknowledgement ends it; a record that comes meanwhile waits for that.
#: Looking every millisecond for records cost more than it won: with eight services on two cores nearly all looks were
#: in vain, and who looks takes the turn of somebody with work.
BUSY_SECONDS = 0.005
DRAIN_SECONDS = 5.0
#: A thread that has not come round for so long hangs.
STUCK_SECONDS = 60.0
CLOSE_SECONDS = 10.0
#: Between two looks at what came of the effects in flight.
EFFECTS_MILLIS = 5.0
STATUS_SECONDS = 1.0


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
        self._performer = Performer(perform, policies)
        self._outside = Outside(policies)
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._owners: dict[int, Owner[Any]] = {}
        #: By partition, the keys of which something could not be written. Each cost the partition a life.
        self._suspects: dict[int, set[str]] = {}
        self._positions: dict[tuple[str, int], Position] = {}
        #: One value, as another thread reads it.
        self._told: tuple[int | None, tuple[PartitionStatus, ...]] = (None, ())
        self._loads: Mapping[type, Load] = {}
        self._status_at = 0.0
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
        with ExitStack() as exits:
            exits.callback(self._performer.close, 0)
            exits.callback(self.references.close)
            try:
                self._open(exits)
                while not self._closing:
                    self._beat = time.monotonic()
                    self._obey()
                    self._turn()
                self._revoked()
            except BaseException as error:
                log.exception("the data thread of %s ends", self._group.name)
                fatal = isinstance(error, KafkaException) and error.args[0].fatal()
                self._failure = self._unwritable(error.args[0]) if fatal else error

    def _open(self, exits: ExitStack) -> None:
        self._producer = self._new_producer()
        settings = {**self._client, **CONSUMER, "group.id": self._group.name}
        self._inputs = exits.enter_context(closing(Consumer(settings)))
        self._watch = Watch(self._group, self._inputs, AdminClient(self._client))
        restorer = Restorer(self._codecs, self._group, self._client, self._stores, self._watch, self._counters)
        self._restorer = exits.enter_context(closing(restorer))

    def _obey(self) -> None:
        resting = not self._owners and not self._restorer.reading
        while True:
            try:
                command = self._commands.get(timeout=IDLE_SECONDS) if resting else self._commands.get_nowait()
            except Empty:
                return
            command()
            resting = False

    def _turn(self) -> None:
        now = time.monotonic()
        self.references.follow(now)
        self._restorer.begin(now)
        # Who has inputs to wait for doesn't wait for changelogs, too.
        restored = self._restorer.read(0 if self._owners else IDLE_SECONDS)
        read = self._read(restored)
        busy = any(not owner.idle for owner in self._owners.values())
        self._producer.poll(BUSY_SECONDS if busy and not read else 0)
        for owner in list(self._owners.values()):
            self._move_on(owner)
        # Without the lease others may own what is read by now, and our claim would void what they write. Without all
        # reference data nothing may be decided.
        if self._lease.holds() and self.references.loaded:
            self._own_what_is_claimed()
        # Anew: brokers were asked meanwhile, and may have taken long.
        if self._lease.holds():
            self._do_what_is_due()
            for owner in self._owners.values():
                owner.mark(now)
        if now >= self._status_at:
            self._status_at = now + STATUS_SECONDS
            self._told, self._loads = self._looked_at(), self._outside.loads()
            self._restorer.tell(now)
            self._look_around(now)

    # From an assignment to owners.

    def _assigned(self, assignment: Assignment) -> None:
        self._positions = {}
        self._restorer.assign(assignment)
        self._told = self._looked_at()

    def _own_what_is_claimed(self) -> None:
        for replica, claim in self._restorer.claimed(self._producer):
            try:
                self._own_it(replica, claim)
            except (KafkaException, TimeoutError) as error:
                name, number = self._group.name, replica.partition
                log.warning("%s[%s]: where to read on is not known (%s)", name, number, error)

    def _own_it(self, replica: Replica[Any], claim: Claim) -> None:
        number, topics = replica.partition, claim.marker.topics
        places = self._watch.places(number)
        aliases = {topic: topic if count == 1 else f"{topic}#{count}" for topic, (count, _) in topics.items()}
        suspects = self._suspects.setdefault(number, set())
        wire = Wire(self._codecs, number, self._group.partitions, aliases, self._counters, suspects=suspects)
        self._owners[number] = Owner(
            self._service,
            wire,
            replica,
            claim,
            producer=self._producer,
            lease=self._lease,
            counters=self._counters,
        )
        self._restorer.hand_over(number)
        self._inputs.incremental_assign(places)

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
        records = fetched(self._inputs, 1, self._patience(restored))
        if not records:
            return 0
        records += fetched(self._inputs, MOST_RECORDS - 1, 0)
        self._counters.consumed += len(records)
        self._counters.batch.observe(len(records))
        batches: dict[int, dict[str, list[Fetched]]] = {}
        for record in records:
            error = record.error()
            if error is not None:
                self._hear_of_an_input(record, error)
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
        if restored or self._restorer.recovering or any(not owner.idle for owner in self._owners.values()):
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
        for topic, offset in owner.done.items():
            self._positions[topic, owner.number] = self._watch.position(topic, offset)
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
        self._restorer.begin_again(number)

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
        self._suspects.clear()
        self._inputs.unassign()
        self._restorer.forget()
        self._outside = Outside(self._policies)
        self._watch.forget()
        self._told = self._looked_at()

    def _new_producer(self) -> Producer:
        return Producer({**self._client, **PRODUCER, "error_cb": self._heard})

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

    def _look_around(self, now: float) -> None:
        sight = self._watch.look(now, self._owners)
        if sight is None:
            return
        for number, end in sight.ends.items():
            self._owners[number].look(end)
        if sight.anew:
            for number in list(self._owners):
                self._relearn(number)

    def _hear_of_an_input(self, record: Fetched, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's own codes begin so
            self._out_of_range(record)
        else:
            complain(record, error)

    def _out_of_range(self, record: Fetched) -> None:
        """Our position is not on the topic any more: retention passed us, or it is another topic."""
        place = TopicPartition(record.topic(), record.partition())
        self._watch.hurry()
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
        assignment = self._restorer.assignment
        if assignment is None:
            return None, ()
        return assignment.generation, tuple(map(self._look_at, sorted(assignment.active | assignment.standby)))

    def _look_at(self, number: int) -> PartitionStatus:
        status, owner = self._restorer.look_at(number), self._owners.get(number)
        if owner is None:
            return status
        return replace(status, role="active", lag=self._lag(number), parked=len(owner.partition.parked))

    def _lag(self, number: int) -> int:
        places = [TopicPartition(topic, number) for topic in self._group.inputs]
        lag = 0
        for place in self._inputs.position(places):
            _, high = self._inputs.get_watermark_offsets(place, cached=True)
            if place.offset >= 0 and high >= 0:
                lag += max(0, high - place.offset)
        return lag


def _monotonic() -> int:
    return int(time.monotonic() * 1000)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
