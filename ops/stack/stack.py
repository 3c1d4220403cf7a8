"""The stack as a whole: which parts are ours, in what order they start and stop, and one command at a time."""

import shutil
import time
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from ops.settings import Settings, variable
from ops.stack import kafka, postgres, registry
from ops.stack.artifacts import Artifacts
from ops.stack.background import in_background
from ops.stack.errors import BusyError, StackError
from ops.stack.kafka import Kafka
from ops.stack.layout import Layout
from ops.stack.part import GivenPart, LocalPart, Part, PartName, PartStatus
from ops.stack.postgres import Postgres
from ops.stack.progress import Report, Silent
from ops.stack.registry import Registry
from ops.stack.state import State

#: Longer than the slowest start with its downloads: who waits for another `up` should get what that one made.
_LOCK_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts answer."""

    kafka: str
    postgres: str
    registry: str


class Stack:
    """Kafka, PostgreSQL and a schema registry: each either given by a setting or local to `settings.data_dir`."""

    def __init__(self, settings: Settings, *, brokers: int | None = None, report: Report | None = None) -> None:
        """`brokers`: how many to start; None for as many as the data dir has, and one in a new one."""
        self._layout = Layout(settings.data_dir.resolve())
        self._report = report or Silent()
        self._state = State(self._layout.state)
        self._starting: dict[PartName, Future[str]] = {}
        artifacts = Artifacts(self._report.download)
        self._kafka = Kafka(self._layout, self._state, artifacts, brokers=brokers)
        self._local: dict[PartName, LocalPart] = {
            "kafka": self._kafka,
            "postgres": Postgres(self._layout, self._state),
            "registry": Registry(self._layout, self._state, artifacts, self._started_postgres),
        }
        self._parts: dict[PartName, Part] = {**self._local, **_given(settings)}

    def up(self) -> Addresses:
        """Start what doesn't run, wait until all of it answers. Repeating it is harmless and heals."""
        self._layout.make()
        with self._alone():
            if self._parts["kafka"] is self._kafka:
                self._kafka.settle_broker_count()  # an error of the user's: said before anything starts
            for name in ("kafka", "postgres", "registry"):  # the registry last: it waits for the start of PostgreSQL
                self._starting[name] = in_background(partial(self._up, self._parts[name]))
            # All of them to their ends first, so that a failure leaves nothing in motion.
            errors = [error for future in self._starting.values() if (error := future.exception()) is not None]
        _raise(errors)
        return Addresses(**{name: future.result() for name, future in self._starting.items()})

    def down(self, parts: Collection[PartName] = ("kafka", "postgres", "registry"), *, purge: bool = False) -> None:
        """Stop these local parts; with `purge`, remove all data too."""
        if not self._layout.root.exists():
            return
        with self._alone():
            for name in ("registry", "kafka", "postgres"):  # who uses another goes first
                if name in parts:
                    self._down(self._local[name])
            if purge:
                self._purge()

    def status(self) -> list[PartStatus]:
        return [part.status() for part in self._parts.values()]

    def logs(self, name: PartName) -> list[Path]:
        """The log files of a part; none where a setting gives it."""
        part = self._parts[name]
        return part.logs() if isinstance(part, LocalPart) else []

    def _started_postgres(self) -> str:
        return self._starting["postgres"].result()

    def _up(self, part: Part) -> str:
        started = time.monotonic()
        address = part.up()
        self._report.part_ready(part.name, time.monotonic() - started)
        return address

    def _down(self, part: LocalPart) -> None:
        started = time.monotonic()
        if part.down():
            self._report.part_stopped(part.name, time.monotonic() - started)

    def _purge(self) -> None:
        for path in self._layout.contents():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with FileLock(self._layout.lock, timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise BusyError(self._layout.lock, _LOCK_SECONDS) from error


def _given(settings: Settings) -> dict[PartName, Part]:
    """The parts that settings name, in place of ours."""
    parts: dict[PartName, Part] = {}
    if (bootstrap := settings.kafka_bootstrap) is not None:
        ask = partial(kafka.ask, settings.kafka_client(bootstrap))
        parts["kafka"] = GivenPart("kafka", setting=variable("kafka_bootstrap"), address=bootstrap, ask=ask)
    if settings.postgres_dsn is not None:
        dsn = settings.postgres_dsn.get_secret_value()
        parts["postgres"] = GivenPart(
            "postgres",
            setting=variable("postgres_dsn"),
            address=dsn,
            shown=postgres.without_password(dsn),
            ask=partial(postgres.ask, dsn),
        )
    if (url := settings.registry_url) is not None:
        ask = partial(registry.ask, settings.registry_client(url))
        parts["registry"] = GivenPart("registry", setting=variable("registry_url"), address=url, ask=ask)
    return parts


def _raise(errors: list[BaseException]) -> None:
    """The registry repeats what PostgreSQL died of, so each error counts once."""
    distinct = list(dict.fromkeys(errors))
    if len(distinct) > 1 and all(isinstance(error, StackError) for error in distinct):
        raise StackError("\n".join(str(error) for error in distinct)) from distinct[0].__cause__
    if distinct:
        raise distinct[0]
