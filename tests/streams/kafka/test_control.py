"""The control plane on a real broker, with data planes that only remember."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from ops.stack import Addresses
from ops.stack.ports import any_free
from ops.stack.waiting import wait_until
from streams.kafka import control as control_module
from streams.kafka.control import PULSE_SECONDS, Control, ControlError
from streams.kafka.coordinator import Coordinator
from streams.kafka.group import Group, Position
from streams.kafka.lease import Lease
from streams.topics import TopicAdmin, Wanted, plan
from tests.streams.kafka.planes import Ledger, RecordingPlane
from tests.streams.kafka.proxy import by, wire

pytestmark = pytest.mark.connected

SECONDS = 15.0
#: The shortest that a broker allows by default.
SESSION_SECONDS = 6.0

#: Makes a group with its topics on the broker: partitions, standbys, and any other of its fields.
MakeGroup = Callable[..., Group]


def make_topics(bootstrap: str, group: Group) -> None:
    admin = TopicAdmin({"bootstrap.servers": bootstrap})
    declared = [Wanted(topic, group.partitions, 1, {}) for topic in group.topics]
    admin.apply(plan(declared, {}), declared)


@pytest.fixture
def make_group(stack: Addresses, unique: str) -> MakeGroup:
    def making(**fields: Any) -> Group:
        settings: dict[str, Any] = {"partitions": 4, "standbys": 1, "session_seconds": SESSION_SECONDS} | fields
        group = Group(name=f"orders.{unique}", inputs=frozenset({f"carts.{unique}", f"own.{unique}"}), **settings)
        make_topics(stack.kafka, group)
        return group

    return making


class Member:
    """A control plane with its data plane and lease."""

    def __init__(self, bootstrap: str, group: Group, plane: RecordingPlane, lease: Lease | None = None) -> None:
        self.plane = plane
        self.lease = lease or Lease(group.session_seconds)
        self.control = Control(group, {"bootstrap.servers": bootstrap}, plane, self.lease)


@asynccontextmanager
async def joined(*members: Member) -> AsyncIterator[None]:
    """Start them one after the other; stop those that are not stopped yet."""
    async with AsyncExitStack() as stops:
        for member in members:
            stops.push_async_callback(member.control.stop)
            await member.control.start()
        yield


async def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what happens at a broker sets no event
            await asyncio.sleep(0.02)


def shared(*members: Member) -> Callable[[], bool]:
    """Whether each has as many partitions as the others, and all have all four."""

    def holds() -> bool:
        actives = [member.plane.active for member in members]
        return all(len(active) == 4 // len(members) for active in actives) and len(frozenset().union(*actives)) == 4

    return holds


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def committed(bootstrap: str, group: Group, topic: str, partition: int) -> tuple[int, str | None]:
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": group.name})
    try:
        [place] = reader.committed([TopicPartition(topic, partition)], timeout=SECONDS)
        return place.offset, place.metadata
    finally:
        reader.close()


def test_a_group_without_state_has_no_changelog_and_divides_its_inputs_alike(
    stack: Addresses, make_group: MakeGroup
) -> None:
    async def test() -> None:
        group = make_group(stateful=False, standbys=0)
        one, other = (
            Member(stack.kafka, group, RecordingPlane("one")),
            Member(stack.kafka, group, RecordingPlane("two")),
        )
        async with joined(one, other):
            await until(shared(one, other))
            one.plane.positions[min(group.inputs), min(one.plane.active)] = Position(7, "id")
            number = min(one.plane.active)
            await until(lambda: committed(stack.kafka, group, min(group.inputs), number)[0] == 7)
        assert group.changelog not in TopicAdmin({"bootstrap.servers": stack.kafka}).partition_counts()

    run(test())


def test_one_member_has_every_partition_number(stack: Addresses, make_group: MakeGroup) -> None:
    async def test() -> None:
        member = Member(stack.kafka, make_group(), RecordingPlane())
        async with joined(member):
            await until(lambda: member.plane.active == {0, 1, 2, 3})
            assert member.plane.standby == frozenset()
            assert member.lease.holds()
        assert member.plane.assignment is None, "stopping revokes"
        assert member.plane.closed
        assert not member.lease.holds()

    run(test())


def test_two_members_share_the_partitions_and_stand_by_for_each_other(stack: Addresses, make_group: MakeGroup) -> None:
    async def test() -> None:
        group = make_group()
        one, two = (Member(stack.kafka, group, RecordingPlane(name)) for name in ("one", "two"))
        async with joined(one, two):
            await until(shared(one, two))
            assert one.plane.standby == two.plane.active
            assert two.plane.standby == one.plane.active

    run(test())


def test_who_leaves_is_followed_long_before_its_session_ends(stack: Addresses, make_group: MakeGroup) -> None:
    async def test() -> None:
        group = make_group(session_seconds=20.0)
        one, two = (Member(stack.kafka, group, RecordingPlane(name)) for name in ("one", "two"))
        async with joined(one, two):
            await until(shared(one, two))
            await one.control.stop()
            await until(shared(two), seconds=group.session_seconds / 2)

    run(test())


def test_who_is_killed_is_followed_when_its_session_ends(stack: Addresses, make_group: MakeGroup) -> None:
    group = make_group()
    inputs = ",".join(sorted(group.inputs))
    arguments = [stack.kafka, group.name, inputs, str(group.partitions), str(SESSION_SECONDS)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.streams.kafka.member", *arguments], stdout=subprocess.PIPE, env=os.environ
    )

    async def test() -> None:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"4\n"
        member = Member(stack.kafka, group, RecordingPlane())
        async with joined(member):
            await until(lambda: len(member.plane.active) == 2)
            process.kill()
            await until(shared(member))

    try:
        run(test())
    finally:
        process.kill()
        process.communicate()


def test_no_partition_is_ever_at_two_members_however_long_one_drains(stack: Addresses, make_group: MakeGroup) -> None:
    async def test() -> None:
        # Without standbys: with them Faust's assignor gives two of three members all four partitions.
        group, ledger = make_group(standbys=0), Ledger()
        one, two, three = (Member(stack.kafka, group, RecordingPlane(name, ledger)) for name in ("one", "two", "three"))
        one.plane.drain_seconds, two.plane.drain_seconds = 2.0, 0.5
        async with joined(one, two):
            await until(shared(one, two))
            async with joined(three):
                await until(lambda: three.plane.active != frozenset())
                await one.control.stop()
                await until(shared(two, three))
            await until(shared(two))
        assert ledger.overlaps == []

    run(test())


def test_offsets_are_committed_with_what_identifies_their_topic(stack: Addresses, make_group: MakeGroup) -> None:
    async def test() -> None:
        group = make_group()
        topic = min(group.inputs)
        member = Member(stack.kafka, group, RecordingPlane())
        async with joined(member):
            await until(shared(member))
            for partition in range(3):
                position = Position(7 + partition, "id" * (partition + 1))
                member.plane.positions[topic, partition] = position
                await asyncio.to_thread(wait_committed, stack.kafka, group, topic, partition, position)
            # What the drain of a revocation brings is committed before the partitions go.
            member.plane.positions[topic, 3] = Position(10, "id")
        assert committed(stack.kafka, group, topic, 3) == (10, "id")

    run(test())


def wait_committed(bootstrap: str, group: Group, topic: str, partition: int, wanted: tuple[int, str]) -> None:
    assert wait_until(lambda: committed(bootstrap, group, topic, partition) == wanted, seconds=SECONDS)


def test_a_commit_that_the_coordinator_refused_is_made_again_though_nothing_moved(
    stack: Addresses, make_group: MakeGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[object] = []
    commits = Coordinator._do_commit_offsets  # noqa: SLF001 - aiokafka's way to the coordinator

    async def refuses_once(self: Coordinator, assignment: object, offsets: object) -> None:
        if not refused:
            refused.append(offsets)
            raise GroupCoordinatorNotAvailableError
        await commits(self, assignment, offsets)

    monkeypatch.setattr(Coordinator, "_do_commit_offsets", refuses_once)

    async def test() -> None:
        group = make_group()
        topic = min(group.inputs)
        member = Member(stack.kafka, group, RecordingPlane())
        async with joined(member):
            await until(shared(member))
            member.plane.positions[topic, 0] = Position(5, "id")
            await asyncio.to_thread(wait_committed, stack.kafka, group, topic, 0, (5, "id"))
        assert len(refused) == 1

    run(test())


def test_the_offsets_of_partitions_that_went_elsewhere_are_not_committed(
    stack: Addresses, make_group: MakeGroup
) -> None:
    async def test() -> None:
        group = make_group()
        topic = min(group.inputs)
        one, two = (Member(stack.kafka, group, RecordingPlane(name)) for name in ("one", "two"))
        async with joined(one, two):
            await until(shared(one, two))
            [mine, _], [theirs, _] = sorted(one.plane.active), sorted(two.plane.active)
            one.plane.positions |= {(topic, theirs): Position(5, "id"), (topic, mine): Position(6, "id")}
            await asyncio.to_thread(wait_committed, stack.kafka, group, topic, mine, (6, "id"))
            assert committed(stack.kafka, group, topic, theirs)[0] < 0

    run(test())


def test_who_is_cut_off_stops_writing_commits_nothing_late_and_comes_back(
    stack: Addresses, make_group: MakeGroup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        group = make_group()
        topic = min(group.inputs)
        one, two = (Member(stack.kafka, group, RecordingPlane(name)) for name in ("one", "two"))
        async with wire(monkeypatch) as held, AsyncExitStack() as exits:
            with by(held):
                await exits.enter_async_context(joined(one))
            await until(shared(one))
            held.freeze()
            # This commit is on its way when the group goes on without its sender.
            one.plane.positions[topic, 0] = Position(5, "late")
            await exits.enter_async_context(joined(two))
            await until(shared(two))
            assert not one.lease.holds()
            assert two.lease.holds()
            two.plane.positions[topic, 0] = Position(8, "right")
            await asyncio.to_thread(wait_committed, stack.kafka, group, topic, 0, (8, "right"))
            held.thaw()
            await until(lambda: one.lease.holds() and shared(one, two)())
            assert one.control.failure is None
            assert committed(stack.kafka, group, topic, 0) == (8, "right")

    run(test())
    refusals = [record for record in caplog.records if "offsets were not committed" in record.message]
    assert len(refusals) == 1, "said once, not at every attempt"


class DrainingPlane(RecordingPlane):
    """One whose drain brings another position."""

    async def revoke(self) -> None:
        await super().revoke()
        self.positions |= dict.fromkeys(self.positions, Position(5, "late"))


def test_who_was_put_out_of_an_empty_group_commits_nothing_as_a_stranger(
    stack: Addresses, make_group: MakeGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        group = make_group()
        topic = min(group.inputs)
        member = Member(stack.kafka, group, DrainingPlane())
        async with wire(monkeypatch) as held, AsyncExitStack() as exits:
            with by(held):
                await exits.enter_async_context(joined(member))
            await until(shared(member))
            member.plane.positions[topic, 0] = Position(4, "right")
            await asyncio.to_thread(wait_committed, stack.kafka, group, topic, 0, (4, "right"))
            held.freeze()
            await until(lambda: not member.lease.holds())
            # The lease ran out before the session did at the broker.
            admin = AdminClient({"bootstrap.servers": stack.kafka})
            await asyncio.to_thread(wait_empty, admin, group)
            held.thaw()
            await until(lambda: member.plane.assignments > 1)
            assert committed(stack.kafka, group, topic, 0) == (4, "right")

    run(test())


def wait_empty(admin: AdminClient, group: Group) -> None:
    def empty() -> bool:
        return not admin.describe_consumer_groups([group.name])[group.name].result(SECONDS).members

    assert wait_until(empty, seconds=SECONDS)


def test_a_broker_that_was_away_finds_its_members_again(
    stack: Addresses, make_group: MakeGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        member = Member(stack.kafka, make_group(), RecordingPlane())
        async with wire(monkeypatch) as held, AsyncExitStack() as exits:
            with by(held):
                await exits.enter_async_context(joined(member))
            await until(shared(member))
            await held.cut()
            await until(lambda: not member.lease.holds())
            await held.mend()
            await until(lambda: member.lease.holds() and shared(member)())
            assert member.control.failure is None

    run(test())


def test_a_broker_that_stays_away_is_given_up_with_a_clear_error(
    stack: Addresses, make_group: MakeGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        group = make_group(give_up_seconds=3.0)
        member = Member(stack.kafka, group, RecordingPlane())
        async with wire(monkeypatch) as held, AsyncExitStack() as exits:
            with by(held):
                await exits.enter_async_context(joined(member))
            await until(shared(member))
            await held.cut()
            await until(lambda: member.control.failure is not None)
        assert isinstance(member.control.failure, ControlError)
        assert group.name in str(member.control.failure)
        assert "no member of its group for" in str(member.control.failure)

    run(test())


def test_workers_of_two_versions_divide_the_partitions_though_they_read_different_topics(
    stack: Addresses, make_group: MakeGroup, unique: str
) -> None:
    async def test() -> None:
        old = make_group()
        new = replace(old, inputs=old.inputs | {f"added.{unique}"})
        make_topics(stack.kafka, replace(new, name=f"new.{unique}", inputs=new.inputs - old.inputs))
        one, two = Member(stack.kafka, old, RecordingPlane("one")), Member(stack.kafka, new, RecordingPlane("two"))
        async with joined(one, two):
            await until(shared(one, two))
            await one.control.stop()
            await until(shared(two))

    run(test())


def test_a_member_without_partitions_stays_one(stack: Addresses, make_group: MakeGroup) -> None:
    async def test() -> None:
        group = make_group(partitions=1, standbys=0)
        one, two = (Member(stack.kafka, group, RecordingPlane(name)) for name in ("one", "two"))
        async with joined(one, two):
            await until(lambda: one.plane.assignments + two.plane.assignments >= 3)
            [idle] = [member for member in (one, two) if not member.plane.active]
            counted = [member.plane.assignments for member in (one, two)]
            # Longer than the poll interval that aiokafka is told, which is the session's length.
            since = time.monotonic()
            await until(lambda: time.monotonic() - since > group.session_seconds * 1.5 or not idle.lease.holds())
            assert idle.lease.holds()
            assert [member.plane.assignments for member in (one, two)] == counted

    run(test())


def test_a_stuck_data_plane_leaves_the_group_and_one_that_recovers_comes_back(
    stack: Addresses, make_group: MakeGroup
) -> None:
    async def test() -> None:
        group = make_group(session_seconds=8.0)
        one, two = (Member(stack.kafka, group, RecordingPlane(name)) for name in ("one", "two"))
        async with joined(one, two):
            await until(shared(one, two))
            one.plane.trouble = RuntimeError("no beat for 5 s")
            await until(shared(two), seconds=group.session_seconds)
            assert not one.lease.holds()
            assert one.control.failure is one.plane.trouble
            one.plane.trouble = None
            await until(lambda: one.lease.holds() and shared(one, two)())

    run(test())


def test_a_data_plane_that_does_not_let_go_loses_its_lease_and_ends_the_worker(
    stack: Addresses, make_group: MakeGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "REVOKE_SECONDS", 0.5)

    async def test() -> None:
        group = make_group()
        one, two = (Member(stack.kafka, group, RecordingPlane(name)) for name in ("one", "two"))
        async with joined(one):
            await until(shared(one))
            one.plane.drain_seconds = SECONDS
            async with joined(two):
                await until(lambda: one.control.failure is not None)
                assert not one.lease.holds()
                assert "did not let go" in str(one.control.failure)
                await until(shared(two))

    run(test())


def test_a_rebalance_under_way_renews_no_lease(stack: Addresses, make_group: MakeGroup) -> None:
    async def test() -> None:
        group = make_group(session_seconds=8.0)
        # A heartbeat comes every two seconds: a lease of three holds, unless they stop counting.
        one = Member(stack.kafka, group, RecordingPlane("one"), Lease(3.0))
        two = Member(stack.kafka, group, RecordingPlane("two"))
        async with joined(one):
            await until(shared(one))
            one.plane.drain_seconds = 6.0
            async with joined(two):
                await until(lambda: not one.lease.holds())
                assert shared(one)(), "it is still draining"
                await until(shared(one, two))
                one.plane.drain_seconds = 0.0

    run(test())


def test_a_broker_that_is_not_there_is_said_soon_and_clearly(unique: str) -> None:
    async def test() -> None:
        nowhere = f"127.0.0.1:{any_free()}"
        group = Group(f"orders.{unique}", frozenset({"carts"}), 4, start_seconds=1.0)
        member = Member(nowhere, group, RecordingPlane())
        with pytest.raises(ControlError, match=f"{group.name}: Kafka at {nowhere} didn't answer for 1.0 s"):
            async with joined(member):
                pass

    run(test())


def test_missing_and_unequal_topics_are_named_before_anybody_joins(stack: Addresses, unique: str) -> None:
    async def test() -> None:
        group = Group(f"orders.{unique}", frozenset({f"carts.{unique}"}), 4)
        make_topics(stack.kafka, Group(group.name, group.inputs, 3))
        member = Member(stack.kafka, Group(group.name, group.inputs | {f"none.{unique}"}, 4), RecordingPlane())
        with pytest.raises(ControlError, match="topics sync") as refused:
            async with joined(member):
                pass
        assert f"carts.{unique} has 3" in str(refused.value)
        assert f"{group.changelog} has 3" in str(refused.value)
        assert f"none.{unique} has none" in str(refused.value)

    run(test())


def test_topics_that_a_busy_broker_does_not_tell_of_at_once_are_not_taken_for_missing(
    make_group: MakeGroup, stack: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = AIOKafkaClient._metadata_update  # noqa: SLF001 - aiokafka's own place for it
    silences = iter((True, True))

    async def busy(client: Any, *arguments: Any) -> Any:
        return False if next(silences, False) else await asked(client, *arguments)

    async def test() -> None:
        member = Member(stack.kafka, make_group(), RecordingPlane())
        monkeypatch.setattr(AIOKafkaClient, "_metadata_update", busy)
        async with joined(member):
            await until(shared(member))
        assert next(silences, None) is None

    run(test())


def test_a_session_that_the_broker_does_not_allow_ends_the_worker_with_its_reason(
    stack: Addresses, make_group: MakeGroup
) -> None:
    async def test() -> None:
        member = Member(stack.kafka, make_group(session_seconds=0.5), RecordingPlane())
        async with joined(member):
            await until(lambda: member.control.failure is not None)
            assert "InvalidSessionTimeoutError" in str(member.control.failure)

    run(test())


@pytest.mark.parametrize(("lease", "session"), [(7.0, 6.0), (6.0, 21.0)])
def test_a_lease_that_could_outlive_our_ownership_is_refused(lease: float, session: float) -> None:
    group = Group("orders.dev", frozenset(), 4, session_seconds=session)
    with pytest.raises(ControlError, match="must not outlive"):
        Control(group, {"bootstrap.servers": "localhost:9092"}, RecordingPlane(), Lease(lease))


async def run_all(controls: Collection[Control], stop: asyncio.Event) -> None:
    """As a worker does: start all, wait for `stop` or for the first failure, stop all. Raises that failure."""
    failures: list[BaseException] = []
    try:
        # Each to its end: what is still starting can't be stopped.
        starts = await asyncio.gather(*(control.start() for control in controls), return_exceptions=True)
        failures += filter(None, starts)
        while not failures and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PULSE_SECONDS)
            failures += filter(None, [control.failure for control in controls])
    finally:
        stops = await asyncio.gather(*(control.stop() for control in controls), return_exceptions=True)
        failures += filter(None, stops)
    if failures:
        raise failures[0]


def test_all_services_of_a_worker_start_and_stop_together(stack: Addresses, make_group: MakeGroup) -> None:
    async def test() -> None:
        group = make_group()
        members = [Member(stack.kafka, group, RecordingPlane(name)) for name in ("one", "two")]
        stop = asyncio.Event()
        running = asyncio.create_task(run_all([member.control for member in members], stop))
        await until(shared(*members))
        stop.set()
        await running
        assert all(member.plane.closed for member in members)

    run(test())


def test_the_failure_of_one_service_ends_all_of_its_worker(stack: Addresses, make_group: MakeGroup) -> None:
    async def test() -> None:
        group = make_group()
        one, two = (Member(stack.kafka, group, RecordingPlane(name)) for name in ("one", "two"))
        running = asyncio.create_task(run_all([one.control, two.control], asyncio.Event()))
        await until(shared(one, two))
        two.plane.trouble = RuntimeError("broken")
        with pytest.raises(RuntimeError, match="broken"):
            await running
        assert one.plane.closed

    run(test())


def test_a_service_that_cannot_start_ends_all_of_its_worker(
    stack: Addresses, make_group: MakeGroup, unique: str
) -> None:
    async def test() -> None:
        one = Member(stack.kafka, make_group(), RecordingPlane("one"))
        two = Member(stack.kafka, Group(f"none.{unique}", frozenset({f"none.{unique}"}), 4), RecordingPlane("two"))
        with pytest.raises(ControlError, match=f"none.{unique} has none"):
            await run_all([one.control, two.control], asyncio.Event())
        assert one.plane.closed

    run(test())
