"""`orderflow demo` as a person starts it, on the shared stack."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from ops.cli import app
from ops.demo import run as demo
from ops.demo.errors import ViolatedError
from ops.demo.outcome import Outcome
from ops.demo.watch import Watch
from ops.stack import Addresses
from ops.stack.waiting import wait_until
from tests.conftest import DATA_DIR

SECONDS = 100


@pytest.fixture
def surroundings(stack: Addresses, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the demo is told: the shared stack, and a place for what it leaves behind. One demo at a time."""
    with FileLock(DATA_DIR.with_name("demo.lock")):
        yield os.environ | {
            "ORDERFLOW_KAFKA_BOOTSTRAP": stack.kafka,
            "ORDERFLOW_POSTGRES_DSN": stack.postgres,
            "ORDERFLOW_REGISTRY_URL": stack.registry,
            "TMPDIR": str(tmp_path),
        }


def started(surroundings: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "demo", *arguments],
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def workers(surroundings: dict[str, str]) -> Iterator[int]:
    """Those of this very demo: their ledger lies where it was told to leave things."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("ORDERFLOW_GATEWAY_LEDGER", "").startswith(surroundings["TMPDIR"]):
                yield process.pid


@pytest.mark.connected
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_every_customer_gets_an_end_nothing_is_off_and_nothing_is_left(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    out, err = started(surroundings, "--carts", "30", "--json").communicate(timeout=SECONDS)
    assert out, err
    told = json.loads(out.splitlines()[-1])
    assert told["violations"] == []
    assert told["carts"] == 30
    failed = sum(count for reasons in told["failed"].values() for count in reasons.values())
    assert told["completed"] + failed == told["sagas"] > 0
    assert told["dead_letters"] == 5, "four records of poison, one of them on a topic that two services read"
    assert 0 < told["p50_ms"] <= told["p99_ms"]
    assert told["sagas_per_s"] > 0
    assert not list(workers(surroundings))
    assert not list(tmp_path.iterdir())


@pytest.mark.connected
@pytest.mark.slow
@pytest.mark.proof
@pytest.mark.timeout(200)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_interrupts_it_ends_what_it_started(
    number: signal.Signals, surroundings: dict[str, str], tmp_path: Path
) -> None:
    process = started(surroundings)
    assert wait_until(lambda: len(list(workers(surroundings))) > 0, seconds=SECONDS)
    process.send_signal(number)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, err
    assert not list(workers(surroundings))
    assert not list(tmp_path.iterdir())


def violated() -> Outcome:
    return Outcome(
        carts=1,
        seed=7,
        messages=0,
        tally=Watch().tally(),
        dead_letters=0,
        movements=0,
        rows=0,
        violations=("a cent is lost",),
        seconds=0.0,
    )


def test_a_violation_makes_it_exit_with_1_after_it_told_all_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(*_: object, **__: object) -> Outcome:
        raise ViolatedError(violated())

    monkeypatch.setattr(demo, "run", off)
    done = CliRunner().invoke(app, ["demo", "--json"])
    assert json.loads(done.stdout)["violations"] == ["a cent is lost"]
    assert isinstance(done.exception, ViolatedError)
    assert (done.exception.exit_code, str(done.exception)) == (1, "1 violations:\n  a cent is lost")


def test_a_person_is_shown_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "run", lambda *_, **__: violated())
    done = CliRunner().invoke(app, ["demo"])
    assert done.exit_code == 0
    assert "completed" in done.stdout
