"""What the simulated gateway has done, by idempotency key: whoever asks again is told what was done the first time.

A small SQLite file, so that all workers of an environment have one gateway, whose memory outlives them. In write-ahead
mode a commit survives the end of the process, though not of the machine: enough for a simulation.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NamedTuple, get_args

import msgspec

from agents.payments.gateway import Outcome
from streams.effects import UnavailableError

#: Beyond it a file that others write to counts as away. Less than a call's deadline, or nobody would hear of it.
BUSY_SECONDS = 2.0
#: For the batch before and one's own, each of which waits for the file as long as it may.
_PATIENCE = 3 * BUSY_SECONDS

_OUTCOMES: dict[str, type[Outcome]] = {kind.__name__: kind for kind in get_args(Outcome)}
_TABLE = """
CREATE TABLE IF NOT EXISTS movement (
    number INTEGER PRIMARY KEY,
    idempotency_key TEXT NOT NULL UNIQUE,
    payment_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    outcome BLOB NOT NULL
) STRICT
"""
_ENTER = "INSERT INTO movement (idempotency_key, payment_id, kind, amount, currency, outcome) VALUES "
_VALUES = "(?, ?, ?, ?, ?, ?)"
_FIND = "SELECT payment_id, kind, amount, currency, outcome FROM movement WHERE idempotency_key = ?"
_ALL = "SELECT payment_id, kind, amount, currency, outcome FROM movement ORDER BY number"


class Movement(NamedTuple):
    """One line of the ledger. What was declined or refused is a line too: it moved nothing, and stays a no."""

    payment_id: str
    amount: int
    currency: str
    outcome: Outcome


#: As `_ENTER` takes it.
_Line = tuple[str, str, str, int, str, bytes]


@dataclass(slots=True)
class _Batch:
    """Lines that are written together, by the thread that brought the first of them."""

    lines: list[_Line] = field(default_factory=list)
    #: What had been done before under the key of each; None where it is done now.
    found: "Future[list[Outcome | None]]" = field(default_factory=Future)


class Ledger:
    """For any number of threads and processes. Opened at its first use: a worker without payments has none.

    Threads that come while somebody writes are written for all at once after that: a statement gives the interpreter
    up to whoever else wants it, and calls that each had to win it back came out one by one.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Without a path it is kept in memory, for this one."""
        self._path = path
        self._connection: sqlite3.Connection | None = None
        #: Of the connection.
        self._lock = Lock()
        self._gathering = Lock()
        self._batch = _Batch()

    def enter(self, idempotency_key: str, movement: Movement) -> tuple[Outcome, bool]:
        """What was done under the key, and whether it was now; then it is this movement's outcome."""
        payment_id, amount, currency, outcome = movement
        encoded = msgspec.json.encode(outcome)
        with self._gathering:
            batch = self._batch
            place = len(batch.lines)
            batch.lines.append((idempotency_key, payment_id, type(outcome).__name__, amount, currency, encoded))
        if place == 0:
            self._write(batch)
        try:
            found = batch.found.result(_PATIENCE)[place]
        except TimeoutError as error:
            raise UnavailableError(f"the simulated gateway's ledger {self._path} was not written in time") from error
        return (outcome, True) if found is None else (found, False)

    def movements(self) -> list[Movement]:
        """All of them, in the order in which they were done."""
        with self._lock, self._opened() as connection:
            return [_movement(*row) for row in connection.execute(_ALL)]

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _write(self, batch: _Batch) -> None:
        """All of it, with whatever joins it while the batch before is written."""
        with self._lock:
            with self._gathering:
                self._batch = _Batch()
            try:
                with self._opened() as connection:
                    batch.found.set_result(_entered(connection, batch.lines))
            except Exception as error:  # noqa: BLE001 - each of the batch raises it, where it waits
                batch.found.set_exception(error)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Raises UnavailableError where the file can't be used, which may pass."""
        try:
            if self._connection is None:
                self._connection = self._open()
            yield self._connection
        except (sqlite3.OperationalError, OSError) as error:
            raise UnavailableError(
                f"the simulated gateway's ledger {self._path} can't be used: {error}; ORDERFLOW_GATEWAY_LEDGER names it"
            ) from error

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        # In autocommit mode each statement is a transaction.
        connection = sqlite3.connect(
            self._path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _entered(connection: sqlite3.Connection, lines: Sequence[_Line]) -> list[Outcome | None]:
    """In one statement, which is all or nothing; one by one if one of the keys was there."""
    try:
        connection.execute(_ENTER + ", ".join([_VALUES] * len(lines)), [value for line in lines for value in line])
    except sqlite3.IntegrityError:
        if len(lines) > 1:
            return [found for line in lines for found in _entered(connection, [line])]
        return [_movement(*connection.execute(_FIND, (lines[0][0],)).fetchone()).outcome]
    return [None] * len(lines)


def _movement(payment_id: str, kind: str, amount: int, currency: str, outcome: bytes) -> Movement:
    return Movement(payment_id, amount, currency, msgspec.json.decode(outcome, type=_OUTCOMES[kind]))
