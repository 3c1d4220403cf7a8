"""Workers and projectors: processes like those that an operator starts, which end with us."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx

from ops.rig.errors import UnreadyError, WorkerEndedError
from ops.settings import variable
from ops.stack import Addresses
from ops.stack.logs import tail
from ops.stack.waiting import wait_until

READY_SECONDS = 60.0
#: A worker ends by itself some seconds after its drain's deadline, whatever hangs.
STOP_SECONDS = 20.0
#: To a process on the same machine that has all its share of the processors to win.
ANSWER_SECONDS = 2.0
LOG_LINES = 15
_ENDS = (signal.SIGINT, signal.SIGTERM)


class Job(NamedTuple):
    """One process."""

    name: str
    #: Of the `orderflow` command.
    arguments: tuple[str, ...]


def workers(count: int) -> list[Job]:
    """Each with all services."""
    return [Job(f"worker {number}", ("worker", "--all")) for number in range(1, count + 1)]


#: All read models.
PROJECTOR = Job("projector", ("projection", "run"))


class _Process:
    def __init__(self, job: Job, directory: Path, settings: Mapping[str, str]) -> None:
        self.name = job.name
        data = directory / job.name.replace(" ", "-")
        data.mkdir()
        self.log = data / "worker.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops.cli", *job.arguments],
                env=os.environ | settings | {"ORDERFLOW_DATA_DIR": str(data)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Else Ctrl-C would reach them before us, and our own signal would be their second.
                start_new_session=True,
            )
        self._url: str | None = None

    def check(self) -> None:
        if (code := self.process.poll()) is not None:
            raise WorkerEndedError(self.name, code, tail(self.log, LOG_LINES))

    def report(self) -> dict[str, Any]:
        """What it says at /ready."""
        self.check()
        try:
            if self._url is None:
                self._url = _address(self.log.read_text("utf-8"))
            answer: dict[str, Any] = httpx.get(f"{self._url}/ready", timeout=ANSWER_SECONDS).json()
        except (httpx.HTTPError, LookupError):
            return {"ready": False, "missing": {"worker": "an answer"}, "services": {}}
        return answer


def _address(log: str) -> str:
    """Where it answers, which the first lines of its log tell. Raises LookupError while they don't."""
    for line in log.splitlines():
        if line.startswith("{") and (event := json.loads(line))["event"] == "starting":
            return str(event["http"])
    raise LookupError


def told(addresses: Addresses, environment: str, *, database: str = "", gateway: str = "") -> dict[str, str]:
    """What they are told beside what we were told ourselves: of these two where somebody of them needs it."""
    return {
        variable("environment"): environment,
        variable("kafka_bootstrap"): addresses.kafka,
        variable("registry_url"): addresses.registry,
        variable("postgres_dsn"): database,
        variable("gateway"): gateway,
        variable("http_host"): "127.0.0.1",
        variable("http_port"): "0",
        variable("log_format"): "json",
        variable("log_level"): "INFO",
    }


class Fleet:
    """Some of them, each known by its name."""

    def __init__(self, jobs: Sequence[Job], directory: Path, settings: Mapping[str, str]) -> None:
        """`directory`: where each keeps its state and its log."""
        self._jobs, self._directory, self._settings = jobs, directory, settings
        self._processes: list[_Process] = []

    def __enter__(self) -> Self:
        try:
            for job in self._jobs:
                with _uninterrupted():
                    self._processes.append(_Process(job, self._directory, self._settings))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def pids(self) -> list[int]:
        return [each.process.pid for each in self._processes]

    def check(self) -> None:
        """Raise WorkerEndedError if one is gone."""
        for each in self._processes:
            each.check()

    def await_shared(self, services: Collection[str], partitions: int) -> None:
        """Until all partitions of all services, or read models, are worked on, and every process has some."""
        missing: dict[str, str] = {}

        def shared() -> bool:
            reports = {each.name: each.report() for each in self._processes}
            missing.clear()
            for name, report in reports.items():
                missing.update({f"{name}, {what}": lack for what, lack in report["missing"].items()})
            owned = Counter(service for report in reports.values() for service, _ in _active(report))
            for service in services:
                if owned[service] < partitions:
                    missing[service] = f"{owned[service]} of {partitions} partitions have an owner"
            return not missing and all(any(_active(report)) for report in reports.values())

        if not wait_until(shared, seconds=READY_SECONDS):
            raise UnreadyError(READY_SECONDS, missing)

    def is_idle(self) -> bool:
        """Whether nothing that was read or asked for is still to be done."""
        reports = [each.report() for each in self._processes]
        services = [service for report in reports for service in report["services"].values()]
        return all(report["ready"] for report in reports) and not any(
            service["effects_in_flight"] or any(each["lag"] or each["parked"] for each in service["partitions"])
            for service in services
        )

    def _stop(self) -> None:
        """Ask all at once; whoever is still there in the end is killed, also where somebody has lost their patience."""
        try:
            for each in self._processes:
                each.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            for each in self._processes:
                try:
                    each.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    continue
        finally:
            for each in self._processes:
                each.process.kill()
                each.process.wait()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Whoever interrupts us is heard afterwards: a process that starts meanwhile would be known to nobody."""
    heard = list[int]()
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in _ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        signal.raise_signal(signal.Signals(heard[0]))


def _active(report: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, service in report["services"].items():
        for each in service["partitions"]:
            if each["role"] == "active":
                yield name, each["partition"]
