"""One writer per partition, whatever happens to a worker, its wire or its broker: real processes under load."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from ops.settings import Settings
from ops.stack import Addresses, Stack
from ops.stack.process import find, stop
from ops.stack.waiting import wait_until
from tests.chaos.conftest import SECONDS, Staged

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(240)]

#: Longer than a lease, a session, and a rebalance that waits for everybody.
OUTAGE_SECONDS = 25
DRAIN_SECONDS = 10


@pytest.mark.proof
def test_a_worker_that_was_frozen_past_its_session_changes_nothing(stack: Addresses, staged: Staged) -> None:
    scene = staged(stack)
    frozen = scene.workers[0]
    with scene.load(2_000):
        scene.goes_on()
        frozen.tell(signal.SIGSTOP)
        scene.takes_over(1)
        frozen.tell(signal.SIGCONT)
        scene.share()
        scene.goes_on()
    findings = scene.balance()
    assert findings.violations == 0, findings
    assert frozen.ended is None


def test_a_worker_that_is_cut_off_from_its_group_alone_stops_writing_before_others_begin(
    stack: Addresses, staged: Staged
) -> None:
    scene = staged(stack, "--engine", "tests.chaos.cut:engine")
    cut_off = scene.workers[0]
    with scene.load():
        scene.goes_on()
        cut_off.tell(signal.SIGUSR1)
        scene.takes_over(1)
        assert cut_off.partitions(), "it was told, so it was not cut off"
        assert cut_off.status()["lease"] is False
        cut_off.tell(signal.SIGUSR2)
        scene.share()
        scene.goes_on()
    findings = scene.balance()
    assert findings.violations == 0, findings
    assert findings.strangers == 0
    assert cut_off.ended is None


@pytest.fixture
def own_kafka(stack: Addresses, tmp_path: Path) -> Iterator[Stack]:
    settings = Settings(
        data_dir=tmp_path / "stack", registry_url=stack.registry, postgres_dsn=SecretStr(stack.postgres)
    )
    own = Stack(settings, brokers=1)
    yield own
    own.down(purge=True)


@pytest.mark.proof
@pytest.mark.parametrize("way", [signal.SIGSTOP, signal.SIGKILL])
def test_a_broker_that_is_away_for_longer_than_a_session_is_waited_for(
    own_kafka: Stack, staged: Staged, tmp_path: Path, way: signal.Signals
) -> None:
    scene = staged(own_kafka.up())
    broker = find(tmp_path / "stack" / "kafka-1")
    assert broker is not None
    with scene.load():
        scene.goes_on()
        broker.send_signal(way)
        time.sleep(OUTAGE_SECONDS)  # the outage itself
        if way is signal.SIGSTOP:
            broker.send_signal(signal.SIGCONT)
        else:
            stop([broker], seconds=0)
            own_kafka.up()
        scene.share()
        scene.goes_on()
    findings = scene.balance()
    assert findings.violations == 0, findings
    assert [worker.ended for worker in scene.workers] == [None, None]
    assert [len(worker.events("starting")) for worker in scene.workers] == [1, 1]


@pytest.mark.proof
@pytest.mark.parametrize("store", ["rocksdb", "memory"])
def test_workers_that_all_die_at_once_and_again_while_they_recover_go_on_where_they_were(
    stack: Addresses, staged: Staged, store: str
) -> None:
    scene = staged(stack, store=store)
    with scene.load(1_000):
        scene.goes_on()
        for worker in scene.workers:
            worker.kill()
        again = scene.workers[0]
        for _ in range(2):
            for worker in scene.workers:
                worker.start()
            # What comes first of an assignment is recovery.
            assert wait_until(lambda: again.status().get("assigned") is True, seconds=SECONDS), again.status()
            for worker in scene.workers:
                worker.kill()
        for worker in scene.workers:
            worker.start()
        scene.share()
        scene.goes_on()
    findings = scene.balance()
    assert findings.violations == 0, findings


@pytest.mark.proof
def test_a_worker_that_is_told_to_end_under_load_drains_and_hands_over_at_once(
    stack: Addresses, staged: Staged
) -> None:
    scene = staged(stack)
    with scene.load(2_000):
        scene.goes_on()
        assert scene.workers[0].stop(DRAIN_SECONDS) == 0
        scene.takes_over(1)
        assert scene.workers[1].stop(DRAIN_SECONDS) == 0
        for worker in scene.workers:
            worker.start()
        scene.share()
    findings = scene.balance()
    assert findings.violations == 0, findings
    assert findings.repeats == 0
