"""The workers of the demo: processes like those that an operator starts, which end with us."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from ops.demo.errors import UnreadyError, WorkerEndedError
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


class _Worker:
    def __init__(self, number: int, directory: Path, settings: Mapping[str, str]) -> None:
        self.name = f"worker {number}"
        data = directory / f"worker-{number}"
        data.mkdir()
        self.log = data / "worker.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops.cli", "worker", "--all"],
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


def told(addresses: Addresses, environment: str, *, gateway: str, ledger: Path) -> dict[str, str]:
    """What workers are told beside what we were told ourselves."""
    return {
        variable("environment"): environment,
        variable("kafka_bootstrap"): addresses.kafka,
        variable("registry_url"): addresses.registry,
        variable("gateway"): gateway,
        variable("gateway_ledger"): str(ledger),
        variable("http_host"): "127.0.0.1",
        variable("http_port"): "0",
        variable("log_format"): "json",
        variable("log_level"): "INFO",
    }


class Fleet:
    """Some workers, each with all services."""

    def __init__(self, count: int, directory: Path, settings: Mapping[str, str]) -> None:
        """`directory`: where each keeps its state and its log."""
        self._count, self._directory, self._settings = count, directory, settings
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        try:
            for number in range(1, self._count + 1):
                self._workers.append(_Worker(number, self._directory, self._settings))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self._workers]

    def check(self) -> None:
        """Raise WorkerEndedError if one is gone."""
        for worker in self._workers:
            worker.check()

    def await_shared(self, services: Collection[str], partitions: int) -> None:
        """Until all partitions of all services are worked on, and every worker has some."""
        missing: dict[str, str] = {}

        def shared() -> bool:
            reports = {worker.name: worker.report() for worker in self._workers}
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
        reports = [worker.report() for worker in self._workers]
        services = [service for report in reports for service in report["services"].values()]
        return all(report["ready"] for report in reports) and not any(
            service["effects_in_flight"] or any(each["lag"] or each["parked"] for each in service["partitions"])
            for service in services
        )

    def _stop(self) -> None:
        """Ask all at once; whoever is still there in the end is killed, also where somebody has lost their patience."""
        try:
            for worker in self._workers:
                worker.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            for worker in self._workers:
                try:
                    worker.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    continue
        finally:
            for worker in self._workers:
                worker.process.kill()
                worker.process.wait()


def _active(report: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, service in report["services"].items():
        for each in service["partitions"]:
            if each["role"] == "active":
                yield name, each["partition"]
