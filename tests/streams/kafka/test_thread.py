"""Services that share a data thread: none of them suffers for another."""

import asyncio
from functools import partial
from typing import Any

import pytest

from ops.stack import Addresses
from schemas.topics import ORDERS_COMMANDS, PARTITIONS
from streams.kafka import thread
from streams.kafka.engine import KafkaEngine
from streams.kafka.plane import Plane
from streams.kafka.thread import DataThread
from streams.service import Service
from tests.streams.kafka.counting import Count, counter
from tests.streams.kafka.engines import Ground, active, confirm, failure_of, orders, running, until

pytestmark = pytest.mark.connected

one, two = counter("one"), counter("two")
KEYS = [next(orders(number)) for number in range(PARTITIONS)]


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(one, two)
    return ground


@pytest.fixture
def shared(ground: Ground) -> DataThread:
    return DataThread(ground.client)


def publish(ground: Ground, times: int) -> None:
    ground.publish(*(confirm(key) for _ in range(times) for key in KEYS))


def counted(ground: Ground, service: Service[Count, Any]) -> list[int]:
    return [entry.state.number for entry in ground.entries(service).values() if entry and entry.state]


def decided(engine: KafkaEngine, count: int) -> bool:
    return engine.counters.decided == count * PARTITIONS


def test_both_decide_all_that_each_of_them_reads(ground: Ground, shared: DataThread) -> None:
    engines = [ground.engine(service, thread=shared) for service in (one, two)]
    publish(ground, 50)
    with running(*engines):
        until(lambda: all(decided(engine, 50) for engine in engines), *engines)
        publish(ground, 50)
        until(lambda: all(decided(engine, 100) for engine in engines), *engines)
    assert not shared.alive
    assert counted(ground, one) == counted(ground, two) == [100] * PARTITIONS


def test_who_may_not_decide_holds_up_nobody_and_has_it_all_later(
    ground: Ground, shared: DataThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread, "STALL_SECONDS", 0.1)
    cut_off, well = (ground.engine(service, thread=shared) for service in (one, two))
    with running(cut_off, well):
        until(lambda: all(len(active(engine)) == PARTITIONS for engine in (cut_off, well)), cut_off, well)
        lease = cut_off._lease  # noqa: SLF001 - as a coordinator does that isn't heard of
        with monkeypatch.context() as silence:
            silence.setattr(lease, "renew", lambda _sent_at: None)
            lease.lose()
            for times in range(1, 6):
                publish(ground, 1)
                until(partial(decided, well, times), well)
        assert cut_off.counters.decided == 0
        publish(ground, 1)
        until(lambda: decided(cut_off, 6) and decided(well, 6), cut_off, well)
        until(lambda: all(ground.committed(one, ORDERS_COMMANDS)[number][0] == 6 for number in range(PARTITIONS)))


def test_a_service_that_fails_fails_alone(ground: Ground, shared: DataThread, monkeypatch: pytest.MonkeyPatch) -> None:
    failing, well = (ground.engine(service, thread=shared) for service in (one, two))
    with running(failing, well):
        until(lambda: all(len(active(engine)) == PARTITIONS for engine in (failing, well)), failing, well)

        def fail(plane: Plane, now: float) -> None:
            if plane is failing._plane:  # noqa: SLF001 - no record makes an engine fail
                raise RuntimeError("a bug of ours")
            go_on(plane, now)

        go_on = Plane.go_on
        monkeypatch.setattr(Plane, "go_on", fail)
        assert failure_of(failing) == "a bug of ours"
        publish(ground, 1)
        until(lambda: decided(well, 1), well)
        # It has nothing any more that it could let go of, and is not waited for.
        asyncio.run(asyncio.wait_for(failing._plane.revoke(), 1))  # noqa: SLF001
    assert well.failure is None


def test_a_thread_that_ended_begins_anew_for_who_comes_next(ground: Ground, shared: DataThread) -> None:
    for times in (1, 2):
        publish(ground, 1)
        engine = ground.engine(one, thread=shared)
        with running(engine):
            until(partial(decided, engine, 1), engine)
        assert not shared.alive
        assert counted(ground, one) == [times] * PARTITIONS
