"""`orderflow worker` as a process of its own, on a real broker, with an engine that does as it is told."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.stack.ports import choose
from ops.stack.waiting import wait_until
from tests.ops.worker.conftest import MESSAGES, World

ROOT = Path(__file__).parents[3]
SECONDS = 30


class Worker:
    """One process; its log is read as it is written."""

    def __init__(self, world: World, log: Path, *arguments: str, **settings: str) -> None:
        self._log = log
        addresses = {
            "ORDERFLOW_KAFKA_BOOTSTRAP": world.stack.kafka,
            "ORDERFLOW_REGISTRY_URL": world.stack.registry,
            "ORDERFLOW_ENVIRONMENT": world.environment,
        }
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                [Path(sys.executable).with_name("orderflow"), "worker", *arguments],
                cwd=ROOT,
                env=os.environ | addresses | {f"ORDERFLOW_{name}": value for name, value in settings.items()},
                stderr=stderr,
            )

    @property
    def lines(self) -> list[str]:
        return self._log.read_text("utf-8").splitlines()

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        found = [json.loads(line) for line in self.lines if line.startswith("{")]
        return {each["event"]: each for each in found}

    def until(self, event: str) -> "Worker":
        assert wait_until(lambda: event in self.events or self.process.poll() is not None, seconds=SECONDS), self.lines
        assert event in self.events, self.lines
        return self

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        return self.process.wait(SECONDS)


Start = Callable[..., Worker]


@pytest.fixture
def start(world: World, tmp_path: Path) -> Iterator[Start]:
    started: list[Worker] = []

    def starting(engine: str = "FakeEngine", *arguments: str, **settings: str) -> Worker:
        app, fake = "--app=tests.ops.worker.fakes:both", f"--engine=tests.ops.worker.fakes:{engine}"
        started.append(Worker(world, tmp_path / f"{len(started)}.log", app, fake, *arguments, **settings))
        return started[-1]

    yield starting
    for worker in started:
        worker.process.kill()
        worker.process.wait(SECONDS)


@pytest.fixture
def fit(world: World) -> None:
    world.make_topics()
    world.register(*MESSAGES)


pytestmark = pytest.mark.connected


@pytest.mark.usefixtures("fit")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_the_process_ends_well(start: Start, number: signal.Signals) -> None:
    worker = start().until("started")
    worker.tell(number)
    assert worker.ended() == 0
    assert list(worker.events) == ["starting", "started", "told to stop", "draining", "drained"]
    assert worker.events["told to stop"]["signal"] == number.name


@pytest.mark.usefixtures("fit")
def test_it_is_watched_over_http_where_its_first_line_says(start: Start) -> None:
    worker = start().until("started")
    url = worker.events["starting"]["http"]
    assert httpx.get(f"{url}/ready", timeout=5).json()["ready"]
    assert 'orderflow_decisions_total{service="kindness"} 0.0' in httpx.get(f"{url}/metrics", timeout=5).text


@pytest.mark.usefixtures("fit")
def test_threads_take_turns_quickly_and_collections_leave_alone_what_stays(start: Start) -> None:
    worker = start("TellsEngine").until("started")
    worker.tell(signal.SIGTERM)
    assert worker.ended() == 0
    told = worker.events["interpreter"]
    assert told["switch"] < 0.005
    assert told["frozen"] > 10_000
    assert told["collect"][0] > gc.get_threshold()[0]


@pytest.mark.usefixtures("fit")
def test_only_the_services_that_are_named_run(start: Start) -> None:
    worker = start("FakeEngine", "kindness").until("starting")
    assert worker.events["starting"]["services"] == ["kindness"]


@pytest.mark.usefixtures("fit")
def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    worker = start("WontStopEngine").until("started")
    worker.tell(signal.SIGTERM)
    worker.until("draining")
    worker.tell(signal.SIGTERM)
    assert worker.ended() == 128 + signal.SIGTERM


@pytest.mark.usefixtures("fit")
def test_a_service_that_can_not_go_on_ends_it_with_one_line_that_says_why(start: Start) -> None:
    worker = start("DiesEngine")
    assert worker.ended() == 1
    assert worker.lines[-1] == "orderflow: patience can't go on: Kafka was away for 600 s"


@pytest.mark.usefixtures("fit")
def test_a_drain_that_takes_too_long_is_cut_short_with_one_line(start: Start) -> None:
    worker = start("WontStopEngine", DRAIN_SECONDS="0.2").until("started")
    worker.tell(signal.SIGTERM)
    assert worker.ended() == 1
    assert worker.lines[-1].startswith("orderflow: patience, kindness did not drain in 0.2 s; the next owner repeats")


@pytest.mark.usefixtures("fit")
@pytest.mark.parametrize("engine", ["HangsEngine", "KeepsThreadEngine"])
def test_whatever_hangs_the_process_ends(start: Start, engine: str) -> None:
    worker = start(engine, DRAIN_SECONDS="0.2").until("started")
    told = time.monotonic()
    worker.tell(signal.SIGTERM)
    assert worker.ended() == 1
    assert worker.lines[-1].startswith("orderflow: the worker did not end in time and was cut short")
    assert time.monotonic() - told < 15


def test_a_check_that_fails_is_said_in_lines_that_name_the_commands_to_run(start: Start) -> None:
    worker = start()
    assert worker.ended() == 1
    assert next(line for line in worker.lines if not line.startswith("{")) == "orderflow: not started:"
    assert worker.lines[-1].endswith("run: orderflow schemas register")
    assert "started" not in worker.events


def test_without_a_broker_it_says_so_and_ends(start: Start) -> None:
    nobody = f"127.0.0.1:{choose(1)}"
    worker = start(KAFKA_BOOTSTRAP=nobody)
    assert worker.ended() == 1
    assert f"orderflow: Kafka at {nobody} doesn't answer" in "\n".join(worker.lines)


def test_a_worker_that_waits_for_its_broker_can_be_told_to_stop(start: Start) -> None:
    worker = start("FakeEngine", "--wait", KAFKA_BOOTSTRAP=f"127.0.0.1:{choose(1)}").until("waiting")
    worker.tell(signal.SIGTERM)
    assert worker.ended() == 0


def test_an_unknown_service_is_corrected_before_anything_is_asked(start: Start) -> None:
    worker = start("FakeEngine", "patiense", KAFKA_BOOTSTRAP="nowhere:1")
    assert worker.ended() == 2
    assert worker.lines == ["orderflow: patiense is no service; did you mean patience?"]
