"""Who may write to a changelog, and what an owner makes of what somebody else wrote there."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ops.stack import Addresses
from ops.stack.waiting import wait_until
from schemas.orders import ConfirmOrder
from schemas.topics import ORDERS_COMMANDS, PARTITIONS
from streams import changelog
from streams.changelog import MARKER_KEY, Marker, Place, Record, encode
from streams.decision import Decision
from streams.fold import Fold
from streams.kafka import restorer, watch
from streams.kafka.counters import Counters
from streams.kafka.engine import KafkaEngine
from streams.kafka.group import Assignment, Group
from streams.kafka.lease import Lease
from streams.kafka.plane import Plane
from streams.kafka.status import Role
from streams.kafka.thread import DataThread
from streams.kafka.topics import group_of, own_topic_of
from streams.kafka.wire import Codecs
from streams.own import OwnCodec
from streams.service import Service
from streams.state import StateCodec
from streams.stores.memory import MemoryStores
from tests.streams.kafka.counting import Count
from tests.streams.kafka.engines import SECONDS, Ground, active, confirm, orders, running, until

pytestmark = pytest.mark.connected


def decide(state: Count | None, message: ConfirmOrder, at: int) -> Decision[Count]:
    return Decision(Count((state or Count()).number + 1))


#: It sends nothing, so nothing but its changelog stands between a decision and its commit.
quiet = Service(name="quiet", state=Count, decide=decide, sends=())


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(quiet)
    return ground


def claims(ground: Ground) -> list[Marker]:
    """And whatever else was said of partition 0 as a whole."""
    found = [
        changelog.decode(Place("", 0, record.offset, MARKER_KEY), record.value)
        for record in ground.read(ground.changelog(quiet))
        if (record.partition, record.key) == (0, MARKER_KEY)
    ]
    return [said for said in found if isinstance(said, Marker)]


def role_of(engine: KafkaEngine, partition: int) -> Role:
    [role] = [each.role for each in engine.status().partitions if each.partition == partition]
    return role


def counted(ground: Ground, key: str) -> int:
    """The state of a key by the records that count."""
    folds, number = [Fold() for _ in range(PARTITIONS)], 0
    for record in ground.read(ground.changelog(quiet)):
        raw_key = record.key or b""
        said = changelog.decode(Place("", record.partition, record.offset, raw_key), record.value)
        fold = folds[record.partition]
        if isinstance(said, Marker):
            fold.marker(said)
        elif isinstance(said, Record):
            place = Place("", record.partition, record.offset, raw_key)
            counts = fold.written(place, raw_key.decode(), said.epoch, said.round, said.paid, said.owed)
            if counts and raw_key == key.encode():
                state = StateCodec(quiet).decode(key, said.entry).state
                number = state.number if state else 0
    return number


def test_what_an_owner_wrote_behind_another_ones_claim_is_decided_again(ground: Ground) -> None:
    key, first = next(orders(0)), ground.engine(quiet)
    with running(first):
        until(lambda: active(first) == {*range(PARTITIONS)}, first)
        ground.publish(confirm(key))
        until(lambda: ground.committed(quiet, ORDERS_COMMANDS)[0][0] == 1, first)
        ours = {each.epoch for each in claims(ground)}
        assert len(ours) == 1
        # Of the same generation, so that nobody but the group can say who is right.
        ground.put(ground.changelog(quiet), encode(Marker(ours.pop() + 5, 0, 0, {})), MARKER_KEY, partition=0)
        ground.flush()
        ground.publish(confirm(key))
        until(lambda: role_of(first, 0) == "recovering", first)
    assert ground.committed(quiet, ORDERS_COMMANDS)[0][0] == 1
    assert counted(ground, key) == 1
    second = ground.engine(quiet)
    with running(second):
        until(lambda: ground.committed(quiet, ORDERS_COMMANDS)[0][0] == 2, second)
    assert counted(ground, key) == 2


@contextmanager
def data_thread(ground: Ground, lease: Lease, client: dict[str, str]) -> Iterator[Plane]:
    """With all partitions, and nobody who keeps it a member."""
    own = own_topic_of(quiet.name, ground.environment)
    group = Group(
        group_of(quiet.name, ground.environment),
        frozenset({ORDERS_COMMANDS.name(ground.environment), own}),
        PARTITIONS,
    )
    codecs = Codecs(quiet, ground.environment, ground.codec, OwnCodec(quiet), StateCodec(quiet))
    plane = Plane(codecs, group, DataThread(client), MemoryStores(), lease, Counters(), perform={}, policies={})
    plane.start()
    plane.assign(Assignment(1, frozenset(range(PARTITIONS)), frozenset()))
    try:
        yield plane
    finally:
        asyncio.run(plane.close())


def test_a_partition_is_claimed_by_nobody_whose_lease_has_run_out(ground: Ground) -> None:
    lease = Lease(SECONDS)
    stranger = Record(1, 1, 0, b"")
    for number in range(PARTITIONS):
        ground.put(ground.changelog(quiet), encode(stranger), b"key", partition=number)
    ground.flush()
    with data_thread(ground, lease, ground.client) as plane:
        assert wait_until(lambda: [each.restored for each in plane.told()[1]] == [1] * PARTITIONS, seconds=SECONDS)
        assert {record.key for record in ground.read(ground.changelog(quiet))} == {b"key"}
        lease.renew(time.monotonic())
        assert wait_until(lambda: {each.role for each in plane.told()[1]} == {"active"}, seconds=SECONDS)
    assert {record.key for record in ground.read(ground.changelog(quiet))} == {b"key", MARKER_KEY}


def test_a_data_thread_asks_on_for_as_long_as_no_broker_answers(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(restorer, "RETRY_SECONDS", 0.1)
    nowhere = {"bootstrap.servers": "127.0.0.1:1", "log_level": "0"}
    with caplog.at_level(logging.WARNING), data_thread(ground, Lease(SECONDS), nowhere) as plane:
        assert wait_until(lambda: caplog.text.count("asked again") > 2 or plane.failure() is not None, seconds=SECONDS)
        assert plane.failure() is None
