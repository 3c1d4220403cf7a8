"""Faust as control plane: membership, assignment, commits. No record of ours ever passes through it.

This is a driver for Faust, as Faust's own for aiokafka is: a `Transport` with a `Consumer`. It stands on aiokafka's
group coordinator alone. There is no fetcher, so nothing can be fetched here; no thread, so nothing has to be handed
over; no producer, web server or leader topic. What it overrides of Faust and aiokafka, or uses of their insides, is
overridden and used here and in `coordinator.py`, and `tests/streams/kafka/test_tripwires.py` watches every piece.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, cast

import faust
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaConnectionError,
    KafkaError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.transport.conductor import Conductor
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from schemas.errors import OrderflowError
from streams.kafka.coordinator import BACKOFF_SECONDS, REBALANCE_SECONDS, REQUEST_SECONDS, Coordinator, Subscription
from streams.kafka.group import TABLE, Assignment, DataPlane, Group, Place, Position
from streams.kafka.lease import Lease
from streams.kafka.quiet import quieten
from streams.kafka.security import credentials

log = logging.getLogger(__name__)

PULSE_SECONDS = 1.0
#: The data plane drains within a shorter bound of its own; this one is for a data plane that does not.
REVOKE_SECONDS = 8.0
COMMIT_SECONDS = 5.0
#: Whoever leaves while others rejoin is answered only after they have drained.
LEAVE_SECONDS = 10.0

#: The coordinator will not think better of these.
_FINAL = (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
)


class ControlError(OrderflowError):
    """The worker can't be, or remain, a member of its group."""


class Control:
    """The membership of one service in its group. Several live on one event loop."""

    def __init__(self, group: Group, client: Mapping[str, str], plane: DataPlane, lease: Lease) -> None:
        if not lease.seconds <= group.session_seconds <= REBALANCE_SECONDS:
            raise ControlError(
                f"{group.name}: a lease of {lease.seconds} s, a session of {group.session_seconds} s: a lease must "
                f"not outlive the session, nor that the {REBALANCE_SECONDS} s of a rebalance, else others could own "
                "our partitions while we still write"
            )
        self._group = group
        self._client = dict(client)
        self._plane = plane
        self._lease = lease
        self._app: _App | None = None

    async def start(self) -> None:
        """Reach the broker, look at the topics, ask to join. The data plane hears of its assignment later.

        Whether it succeeds or not, `stop` has to follow.
        """
        quieten()
        self._app = _App(self._group, self._client, self._plane, self._lease)
        await self._app.start()

    async def stop(self) -> None:
        """Drain, commit and leave the group, so that others take over at once; then end the data plane."""
        if self._app is not None:
            await self._app.stop()
        await self._plane.close()

    @property
    def failure(self) -> BaseException | None:
        """Why this service can't go on. The worker that hosts it ends then, and is started again."""
        return self._plane.failure() if self._app is None else self._app.failure


class _Boot(BootStrategy):
    """Only what a membership needs: no producer, no web server, no sensors, no leader election, no replies."""

    def server(self) -> Iterable[Any]:
        return [self.app.consumer, self.app.agents, self.app.topics, self.app.tables]


class _App(faust.App):
    """One group: Faust's app with our driver and our table manager."""

    BootStrategy = _Boot

    def __init__(self, group: Group, client: Mapping[str, str], plane: DataPlane, lease: Lease) -> None:
        super().__init__(
            group.name,
            broker=[f"kafka://{server}" for server in client["bootstrap.servers"].split(",")],
            broker_credentials=credentials(client),
            broker_session_timeout=group.session_seconds,
            table_standby_replicas=group.standbys,
            topic_allow_declare=False,
            stream_wait_empty=False,
            TableManager=_Tables,
            web_enabled=False,
        )
        self.group = group
        self.plane = plane
        self.lease = lease
        self.where = client["bootstrap.servers"]
        self.transport = _Transport(self.conf.broker_consumer, self)
        self.topics.add(self.topic(*sorted(group.inputs), key_type=bytes, value_type=bytes))
        if group.stateful:
            # The table holds nothing: it tells Faust's assignor which topic is the changelog, to place standbys for it.
            self.topics.add(self.Table(TABLE, partitions=group.partitions).changelog_topic)

    @property
    def member(self) -> "_Member":
        return cast("_Member", self.consumer)

    @property
    def failure(self) -> BaseException | None:
        return self.member.failure or self.crash_reason or self.plane.failure()

    async def on_first_start(self) -> None:
        """Make no directories: the stores of the data plane have their own."""

    async def on_stop(self) -> None:
        """Leave it to the member: Faust would stop fetching and flush a producer, and there are none."""


class _Tables(TableManager):
    """Faust's tables without its recovery, which is slow and hangs at the marker of a transaction (Faust #176).

    The data plane folds the changelog itself; all that it needs is to be told which partitions it has.
    """

    app: _App

    async def on_start(self) -> None:
        self._tables_registered.set()

    async def on_stop(self) -> None: ...

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Nothing is left to do: the member has drained the data plane before."""

    async def on_rebalance(
        self,
        assigned: set[TP],  # noqa: ARG002 - Faust's signature
        revoked: set[TP],  # noqa: ARG002
        newly_assigned: set[TP],  # noqa: ARG002
        generation_id: int = 0,
    ) -> None:
        leading = self.app.group.leading
        assignor = self.app.assignor
        # By one topic, the changelog where there is one: while workers of two versions subscribe to different topics,
        # Faust divides those that not all share on their own. Such an input rests until the last old worker is gone.
        self.app.member.take(
            Assignment(
                generation=generation_id,
                active=frozenset(tp.partition for tp in assignor.assigned_actives() if tp.topic == leading),
                standby=frozenset(tp.partition for tp in assignor.assigned_standbys() if tp.topic == leading),
                committed=self.app.member.committed,
            )
        )
        self.app.on_rebalance_end()

    async def wait_until_recovery_completed(self) -> bool:
        return False


class _Member(Service, ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """What Faust calls a consumer. This one joins, hears of assignments, commits and leaves; it reads nothing."""

    def __init__(
        self,
        transport: "_Transport",
        callback: Any,  # noqa: ARG002 - Faust's signature; this is where records would go
        on_partitions_revoked: Callable[[set[TP]], Any],
        on_partitions_assigned: Callable[[set[TP], int], Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._app = cast("_App", transport.app)
        self._tell_revoked = on_partitions_revoked
        self._tell_assigned = on_partitions_assigned
        self._client: Any = None
        self._subscription: Any = None
        self._coordinator: Coordinator | None = None
        self._assignment: Assignment | None = None
        self._committed: dict[tuple[str, int], Position] = {}
        #: The coordinator and `on_stop` may both let go.
        self._letting_go = asyncio.Lock()
        self._committing = asyncio.Lock()
        self._commit_fails = False
        self._unheard = False
        self.failure: ControlError | None = None

    # Faust calls these.

    async def on_start(self) -> None:
        app = self._app
        self._home = asyncio.get_running_loop()
        self._client = AIOKafkaClient(
            client_id=app.group.name,
            bootstrap_servers=app.where,
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
            retry_backoff_ms=int(BACKOFF_SECONDS * 1000),
            **driver.credentials_to_aiokafka_auth(app.conf.broker_credentials, app.conf.ssl_context),
        )
        await self._reach()
        await self._look_at_topics()
        self._subscription = Subscription(alive=lambda: app.failure is None)
        self._coordinator = Coordinator(self._client, self._subscription, app.assignor, app.lease, app.group)

    async def subscribe(self, topics: Iterable[str]) -> None:
        self._subscription.subscribe(topics=set(topics), listener=self)

    def assignment(self) -> set[TP]:
        return ensure_TPset(self._subscription.assigned_partitions())

    def stop_flow(self) -> None:
        """Nothing flows here."""

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        """Nothing flows here."""

    def close(self) -> None:
        """Nothing to interrupt: `on_stop` is under way when Faust calls this."""

    async def on_stop(self) -> None:
        if self._coordinator is not None:
            await self._let_go()
            try:
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._coordinator.close()
            except (KafkaError, TimeoutError) as error:
                await self._coordinator.abandon()
                log.warning(
                    "%s: left without a word (%r); others take over when the session of %s s has run out",
                    self._app.group.name,
                    error,
                    self._app.group.session_seconds,
                )
        if self._client is not None:
            await self._client.close()

    # The coordinator calls these two, and waits for them before it goes on.

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._app.on_rebalance_start()
        await self._let_go()
        await self._tell_revoked(ensure_TPset(revoked))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        assert self._coordinator is not None  # noqa: S101 - it is calling
        self._app.consumer_generation_id = self._coordinator.generation
        await self._tell_assigned(ensure_TPset(assigned), self._coordinator.generation)

    def take(self, assignment: Assignment) -> None:
        """Hand an assignment to the data plane, unless we are leaving already."""
        if self.should_stop:
            return
        self._committed.clear()
        self._assignment = assignment
        self._app.plane.assign(assignment)

    def committed(self, places: Collection[Place]) -> "Future[Mapping[Place, Position]]":
        """Ask the coordinator that we keep up with. For any thread.

        librdkafka's own ways would not do: its consumer goes on asking a coordinator that is gone, and its admin's
        client aborts the process where the connection breaks (confluentinc/librdkafka#5397).
        """
        return asyncio.run_coroutine_threadsafe(self._fetched(places), self._home)

    async def _fetched(self, places: Collection[Place]) -> Mapping[Place, Position]:
        coordinator = cast("Coordinator", self._coordinator)
        async with asyncio.timeout(COMMIT_SECONDS):
            found = await coordinator.fetch_committed_offsets([TopicPartition(*place) for place in places])
        return {(tp.topic, tp.partition): Position(each.offset, each.metadata) for tp, each in found.items()}

    async def _let_go(self) -> None:
        """Drain, commit, and only then give up the lease: whatever happens, nothing may be written afterwards."""
        async with self._letting_go:
            if self._assignment is None or self._coordinator is None:
                return
            try:
                async with asyncio.timeout(REVOKE_SECONDS):
                    await self._app.plane.revoke()
                await self._commit()
            except Exception as error:  # noqa: BLE001 - the group moves on all the same, so any of them ends the worker
                self._fail("its data plane did not let go of its partitions", error)
            finally:
                self._assignment = None
                self._coordinator.forfeit()

    async def _reach(self) -> None:
        """Find a broker; aiokafka asks each once."""
        refusal: KafkaError | None = None
        try:
            async with asyncio.timeout(self._app.group.start_seconds):
                while True:
                    try:
                        await self._client.bootstrap()
                    except KafkaConnectionError as error:
                        refusal = error
                        await asyncio.sleep(BACKOFF_SECONDS)
                    else:
                        return
        except TimeoutError as error:
            raise self._unanswered() from (refusal or error)

    async def _look_at_topics(self) -> None:
        """Unequal topics would be divided apart, and Faust makes nothing."""
        group = self._app.group
        wanted = set(group.topics)
        answered = await self._client.set_topics(wanted)
        try:
            async with asyncio.timeout(group.start_seconds):
                while not answered:  # a busy broker's silence would look as if there were no topics
                    await asyncio.sleep(BACKOFF_SECONDS)
                    answered = await self._client.force_metadata_update()
        except TimeoutError as error:
            raise self._unanswered() from error
        found = {topic: len(self._client.cluster.partitions_for_topic(topic) or ()) for topic in sorted(wanted)}
        if wrong := [f"{topic} has {count or 'none'}" for topic, count in found.items() if count != group.partitions]:
            raise ControlError(
                f"{group.name} needs {group.partitions} partitions of every topic, but {', '.join(wrong)}: "
                "make the missing ones with `orderflow topics sync`"
            )

    def _unanswered(self) -> ControlError:
        group = self._app.group
        return ControlError(
            f"{group.name}: Kafka at {self._app.where} didn't answer for {group.start_seconds} s: is it running "
            "(`orderflow status`), is ORDERFLOW_KAFKA_BOOTSTRAP right, and does it take our credentials?"
        )

    @Service.task
    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            self._check()
            await self._commit()

    def _check(self) -> None:
        """Hear what the coordination met: it rests until somebody does."""
        coordinator, group = cast("Coordinator", self._coordinator), self._app.group
        try:
            coordinator.check_errors()
        except KafkaError as error:
            if coordinator.ended() or isinstance(error, _FINAL):
                self._fail("its group refuses it", error)
            else:
                log.warning("%s: %r; trying again", group.name, error)
        silence = self._app.lease.now() - coordinator.member_at
        if silence > group.give_up_seconds:
            self._fail(f"no member of its group for {silence:.0f} s", None)
        unheard = silence > group.session_seconds and self._app.failure is None
        if self._unheard != unheard:
            self._unheard = unheard
            if unheard:
                log.warning(
                    "%s: no word from its group at %s for %.0f s; it rests, and gives up after %.0f s",
                    *(group.name, self._app.where, silence, group.give_up_seconds),
                )
            else:
                log.warning("%s: a member of its group again", group.name)

    def _fail(self, what: str, error: BaseException | None) -> None:
        """Keep the first failure; `Subscription.fetcher_idle_time` makes us leave the group for it."""
        if self.failure is None:
            name, where = self._app.group.name, self._app.where
            self.failure = ControlError(f"{name} at {where}: {what}{f' ({error!r})' if error else ''}; start it again")
            self.failure.__cause__ = error
            log.error("%s", self.failure)

    async def _commit(self) -> None:
        """Commit what has moved. A failure moves nothing: the next pulse tries again."""
        async with self._committing:
            coordinator, assignment = self._coordinator, self._assignment
            # Between a revocation and the next assignment, or put out of the group, a position belongs to no
            # generation that we are in. Worse, without a generation the broker would take it from a non-member.
            if coordinator is None or assignment is None or coordinator.generation != assignment.generation:
                return
            moved = {
                place: position
                for place, position in self._app.plane.committable().items()
                if position != self._committed.get(place) and place[1] in assignment.active
            }
            if not moved:
                return
            try:
                async with asyncio.timeout(COMMIT_SECONDS):
                    await coordinator.commit(
                        {
                            # librdkafka gives metadata back without their end, and its Python client reads on to the
                            # next zero byte, wherever that is.
                            TopicPartition(*place): OffsetAndMetadata(offset, f"{metadata}\0")
                            for place, (offset, metadata) in moved.items()
                        }
                    )
            except (KafkaError, TimeoutError) as error:
                if not self._commit_fails:
                    log.warning(
                        "%s: its offsets were not committed (%r); they are kept, and committed as soon as the group "
                        "takes them: if it doesn't, look at the brokers",
                        *(self._app.group.name, error),
                    )
                self._commit_fails = True
            else:
                self._committed |= moved
                self._commit_fails = False


class _Conductor(Conductor):
    """What subscribes the member to the topics of the app."""

    async def on_partitions_assigned(self, assigned: set[TP]) -> None:
        """Lay no routes for records: none come."""


class _Transport(driver.Transport):
    """Faust's way to bring a driver of one's own."""

    Conductor = _Conductor
    Consumer = _Member
