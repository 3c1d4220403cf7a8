"""A service on the data thread: reads, decides and writes everything, on librdkafka alone.

Faust's loop tells it which partitions it has (`assign`, `revoke`) and asks what to commit; nothing else crosses. Of a
partition it first folds the changelog; then it claims it, folds up to its own claim, and owns it until it is revoked.
What goes wrong on the way, or in the middle of a life, ends that life: the partition is folded again, as after a crash.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.decision import Performed, Wake
from streams.effects import Load, Outside, Perform, Policy
from streams.kafka.clients import PlaneError, complain
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.kafka.group import Assignment, Group, Position
from streams.kafka.inbox import Inbox
from streams.kafka.inputs import Share
from streams.kafka.lease import Lease
from streams.kafka.owner import Claim, Owner
from streams.kafka.performer import Performer
from streams.kafka.references import References
from streams.kafka.replica import Replica
from streams.kafka.restorer import Restorer
from streams.kafka.status import PartitionStatus
from streams.kafka.thread import STUCK_SECONDS, DataThread, resolve
from streams.kafka.topics import own_topic_of
from streams.kafka.watch import Watch
from streams.kafka.wire import Codecs, Wire
from streams.own import OwnError
from streams.partitioner import partition_of
from streams.stores import Stores

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
#: Between two looks at what came of the effects in flight.
EFFECTS_MILLIS = 5.0
#: Between two looks for records to restore.
RESTORE_MILLIS = 5.0
#: Between two looks at whether the lease holds again.
RESTING_MILLIS = 10.0
STATUS_SECONDS = 1.0


@dataclass(slots=True)
class _Parting:
    """What is ours no more, and is still brought to an end."""

    deadline: float
    #: To be told at its end.
    done: Callable[[], object]
    marked: bool = False


class Plane:
    """Built for one service; lives as long as the process."""

    def __init__(
        self,
        codecs: Codecs,
        group: Group,
        thread: DataThread,
        stores: Stores,
        lease: Lease,
        counters: Counters,
        *,
        perform: Mapping[type, Perform],
        policies: Mapping[type, Policy],
    ) -> None:
        self._codecs = codecs
        self._group = group
        self._thread = thread
        self.references = References(codecs, thread.client, counters)
        self._service = codecs.service.reading(self.references)
        self._stores = stores
        self._lease = lease
        self._counters = counters
        self._own = own_topic_of(codecs.service.name, codecs.environment)
        self._policies = policies
        self._performer = Performer(perform, policies)
        self._outside = Outside(policies)
        self._owners: dict[int, Owner[Any]] = {}
        #: By partition, the keys of which something could not be written. Each cost the partition a life.
        self._suspects: dict[int, set[str]] = {}
        self._positions: dict[tuple[str, int], Position] = {}
        #: One value, as another thread reads it.
        self._told: tuple[int | None, tuple[PartitionStatus, ...]] = (None, ())
        self._loads: Mapping[type, Load] = {}
        self._status_at = 0.0
        self._parting: _Parting | None = None
        self._failure: BaseException | None = None

    # On the loop of the control plane.

    @property
    def name(self) -> str:
        return self._group.name

    def start(self) -> None:
        self._thread.host(self)

    def assign(self, assignment: Assignment) -> None:
        self._thread.command(lambda: self._assigned(assignment))

    async def revoke(self) -> None:
        loop = asyncio.get_running_loop()
        revoked: asyncio.Future[None] = loop.create_future()
        self._thread.command(partial(self._revoked, partial(loop.call_soon_threadsafe, resolve, revoked)))
        await self._thread.done(revoked)

    def committable(self) -> Mapping[tuple[str, int], Position]:
        return dict(self._positions)

    def failure(self) -> BaseException | None:
        if self._failure is None and self._thread.stuck:
            return PlaneError(f"the data thread of {self._group.name} has not moved for {STUCK_SECONDS:.0f} s")
        return self._failure or self._thread.failure

    async def close(self) -> None:
        await self._thread.dismiss(self)

    def told(self) -> tuple[int | None, tuple[PartitionStatus, ...]]:
        """The generation of our assignment, if we have one, and how each of its partitions is."""
        return self._told

    def loads(self) -> Mapping[type, Load]:
        return self._loads

    # All the rest is the thread's.

    def enter(self) -> None:
        thread = self._thread
        self._producer = thread.producer
        self._inbox = Inbox(thread.inputs, self, self._own)
        self._watch = Watch(self._group, thread.admin)
        self._restorer = Restorer(self._codecs, self._group, thread.client, self._stores, self._watch, self._counters)

    def leave(self) -> None:
        if self._parting is not None:
            self._parting.done()
        self._owners.clear()
        self._performer.close(0)
        self.references.close()
        self._restorer.close()

    def fail(self, error: BaseException) -> None:
        fatal = isinstance(error, KafkaException) and error.args[0].fatal()
        self._failure = self._unwritable(error.args[0]) if fatal else error

    @property
    def full(self) -> bool:
        return self._inbox.full

    @property
    def busy(self) -> bool:
        return self._parting is not None or any(not owner.idle for owner in self._owners.values())

    @property
    def resting(self) -> bool:
        return not self._owners and not self._restorer.reading

    def restore(self, now: float) -> int:
        self.references.follow(now)
        self._restorer.begin(now)
        return self._restorer.read()

    def patience(self) -> float | None:
        if not self._lease.holds():
            return RESTING_MILLIS
        now = time.time() * 1000
        waits = [at - now for owner in self._owners.values() if (at := owner.partition.wakes.next_at) is not None]
        if (at := self._outside.next_at()) is not None:
            waits.append(at - _monotonic())
        if self._outside.in_flight:
            waits.append(EFFECTS_MILLIS)
        if self._restorer.recovering:
            waits.append(RESTORE_MILLIS)
        return min(waits, default=None)

    def take(self, share: Share) -> None:
        for record in share.errors:
            self._hear_of_an_input(record)
        count = self._inbox.take(share)
        self._counters.consumed += count
        self._counters.batch.observe(count)
        self._hand_over()

    def step_aside(self) -> None:
        self._inbox.step_aside()

    def go_on(self, now: float) -> None:
        if self._parting is not None:
            self._part(self._parting, now)
            return
        self._hand_over()
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
        assignment = self._restorer.assignment
        for replica, claim in self._restorer.claimed(self._producer):
            assert assignment is not None  # noqa: S101 - without one there is nothing to claim
            try:
                places = self._watch.places(replica.partition, assignment.committed)
                if places is not None:
                    self._own_it(replica, claim, places)
            except (KafkaException, TimeoutError) as error:
                name, number = self._group.name, replica.partition
                log.warning("%s[%s]: how far its own topic goes is not known (%s)", name, number, error)

    def _own_it(self, replica: Replica[Any], claim: Claim, places: Mapping[str, TopicPartition]) -> None:
        number, topics = replica.partition, claim.marker.topics
        low, high = self._watch.bounds(TopicPartition(self._own, number))
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
        self._inbox.begin(number, places, low, high)

    # Owners at work.

    def _hand_over(self) -> None:
        if self._lease.holds():
            self._inbox.hand_over(self._owners, int(time.time() * 1000))

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
        self._inbox.end(number)
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
        """Through its own topic, for that gives it an offset and keeps it for a replay; nobody has to fetch it.

        If it gets lost, the next life of the partition does it again. One that is there and was not decided is fetched
        by the next life, before any of its own, as whoever folds the topic again will meet it first.
        """
        owner = self._owners[number]

        def acknowledged(error: KafkaError | None, record: Any) -> None:
            if error is None and self._owners.get(number) is owner and self._inbox.tell(number, record):
                self._counters.consumed += 1

        self._producer.produce(self._own, value, key.encode(), number, acknowledged)

    # The end of a life.

    def _revoked(self, done: Callable[[], object]) -> None:
        """Read nothing more, and bring to an end what is on its way."""
        if self._failure is not None:
            done()
            return
        self._inbox.clear()
        self._parting = _Parting(time.monotonic() + DRAIN_SECONDS, done)

    def _part(self, parting: _Parting, now: float) -> None:
        """Where that is not possible in time, forget the rest.

        What is in the producer by then may still be sent, when a broker comes back: it counts for nobody who has
        claimed the partition meanwhile.
        """
        owners = list(self._owners.values())
        for owner in owners:
            owner.advance()
        if self._lease.holds() and now < parting.deadline:
            if not all(owner.idle or owner.over for owner in owners):
                return
            if not parting.marked:
                parting.marked = True
                for owner in owners:
                    owner.mark(now, at_once=True)
            if not all(owner.quiet or owner.over for owner in owners):
                return
        for owner in owners:
            self._note(owner)
        self._owners.clear()
        self._suspects.clear()
        self._restorer.forget()
        self._outside = Outside(self._policies)
        self._watch.forget()
        self._told = self._looked_at()
        self._parting = None
        parting.done()

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
            if (owner := self._owners.get(number)) is not None:
                owner.look(end)
        if sight.anew:
            for number in list(self._owners):
                self._relearn(number)

    def _hear_of_an_input(self, record: Fetched) -> None:
        error = record.error()
        assert error is not None  # noqa: S101 - that is why it is here
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's own codes begin so
            self._out_of_range(record)
        else:
            complain(record, error)

    def _out_of_range(self, record: Fetched) -> None:
        """Our position is not on the topic any more: retention passed us, or it is another topic."""
        place = TopicPartition(record.topic(), record.partition())
        self._watch.hurry()
        try:
            low, high = self._watch.bounds(place)
        except (KafkaException, TimeoutError) as error:
            log.warning("%s[%s]: what it has is not known (%s)", place.topic, place.partition, error)
            self._relearn(place.partition)
            return
        log.error(
            "%s[%s]: offset %s is not there any more, it has %s to %s; read from its beginning. Records may have been "
            "deleted by retention before they were read",
            *(place.topic, place.partition, record.offset(), low, high),
        )
        self._inbox.go_on(TopicPartition(place.topic, place.partition, low))

    def _looked_at(self) -> tuple[int | None, tuple[PartitionStatus, ...]]:
        assignment = self._restorer.assignment
        if assignment is None:
            return None, ()
        return assignment.generation, tuple(map(self._look_at, sorted(assignment.active | assignment.standby)))

    def _look_at(self, number: int) -> PartitionStatus:
        status, owner = self._restorer.look_at(number), self._owners.get(number)
        if owner is None:
            return status
        return replace(status, role="active", lag=self._inbox.lag(number), parked=len(owner.partition.parked))


def _monotonic() -> int:
    return int(time.monotonic() * 1000)
