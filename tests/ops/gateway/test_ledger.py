import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from agents.payments.gateway import Authorized, Captured, CaptureRefused, Declined, Outcome, Refunded, Voided
from ops.gateway.ledger import Ledger, Movement
from ops.stack.waiting import wait_until
from schemas.payments import PaymentFailureReason
from streams.effects import UnavailableError


def authorized(name: str) -> Movement:
    return Movement("payment", 995, "EUR", Authorized(name, "approved"))


@pytest.fixture(params=["file", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "new" / "ledger.sqlite" if request.param == "file" else None)) as opened:
        yield opened


@pytest.mark.parametrize(
    "outcome",
    [
        Authorized("a", "approved"),
        Declined(PaymentFailureReason.EXPIRED_CARD),
        Captured(995),
        CaptureRefused(PaymentFailureReason.PROCESSING_ERROR),
        Voided("a"),
        Refunded(2**63 - 1),
    ],
)
def test_what_was_done_comes_back_as_it_was(ledger: Ledger, outcome: Outcome) -> None:
    movement = Movement("payment", 2**63 - 1, "EUR", outcome)
    assert ledger.enter("key", movement) == (outcome, True)
    assert ledger.movements() == [movement]


def test_under_one_key_only_the_first_is_done(ledger: Ledger) -> None:
    first, second = authorized("first"), authorized("second")
    assert ledger.enter("key", first) == (first.outcome, True)
    assert ledger.enter("key", second) == (first.outcome, False)
    assert ledger.enter("another", second) == (second.outcome, True)
    assert ledger.movements() == [first, second]


def test_of_many_threads_at_once_one_is_the_first(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda number: ledger.enter("key", authorized(str(number))), range(64)))
    assert [entered for _, entered in done].count(True) == 1
    assert len({outcome for outcome, _ in done}) == 1


def test_threads_that_come_at_once_each_hear_of_their_own(ledger: Ledger) -> None:
    """New keys and ones that were there share their batches."""
    before = [authorized(f"before {number}") for number in range(0, 400, 7)]
    for number, movement in zip(range(0, 400, 7), before, strict=True):
        ledger.enter(str(number), movement)
    with ThreadPoolExecutor(32) as threads:
        done = list(threads.map(lambda number: ledger.enter(str(number), authorized(f"now {number}")), range(400)))
    for number, answer in enumerate(done):
        was_there = number % 7 == 0
        assert answer == (authorized(f"{'before' if was_there else 'now'} {number}").outcome, not was_there)
    assert len(ledger.movements()) == 400


def test_what_comes_while_somebody_writes_is_written_at_once(ledger: Ledger) -> None:
    """Whoever finds the file in use is not the next of many to wait for it."""
    ledger.enter("before", authorized("before"))
    statements: list[str] = []
    with ThreadPoolExecutor(8) as threads:
        with ledger._lock:  # noqa: SLF001 -- as a thread that writes
            coming = [threads.submit(ledger.enter, str(number), authorized(str(number))) for number in range(8)]
            assert wait_until(lambda: len(ledger._batch.lines) == 8, seconds=10)  # noqa: SLF001
            assert ledger._connection is not None  # noqa: SLF001
            ledger._connection.set_trace_callback(statements.append)  # noqa: SLF001
        assert [each.result(10)[1] for each in coming] == [True] * 8
    assert len(statements) == 1


def test_two_that_have_the_file_open_have_one_memory(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "ledger")) as one, closing(Ledger(tmp_path / "ledger")) as other:
        first = authorized("first")
        one.enter("key", first)
        assert other.enter("key", authorized("second")) == (first.outcome, False)


def test_what_was_answered_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    with closing(Ledger(path)) as ledger:
        assert ledger.movements() == [Movement("payment", 995, "EUR", Captured(995))]


KILLED = """
import os, signal, sys
from pathlib import Path
from agents.payments.gateway import Captured
from ops.gateway.ledger import Ledger, Movement
Ledger(Path(sys.argv[1])).enter("key", Movement("payment", 995, "EUR", Captured(995)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_that_somebody_else_keeps_locked_is_a_gateway_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.gateway.ledger.BUSY_SECONDS", 0.01)
    path = tmp_path / "ledger"
    with closing(Ledger(path)) as ledger, closing(sqlite3.connect(path, isolation_level=None)) as other:
        ledger.enter("before", authorized("before"))
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnavailableError, match="locked; ORDERFLOW_GATEWAY_LEDGER names it"):
            ledger.enter("key", authorized("first"))
        other.execute("ROLLBACK")
        assert ledger.enter("key", authorized("second"))[1]


def test_a_place_where_no_file_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(UnavailableError, match="taken/ledger can't be used"):
        Ledger(tmp_path / "taken" / "ledger").movements()


def test_a_ledger_that_nobody_uses_makes_no_file(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger").close()
    assert list(tmp_path.iterdir()) == []
