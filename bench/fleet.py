"""Workers in processes of their own, to be killed, frozen and started again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from ops.stack import Addresses
from ops.stack.waiting import wait_until

ROOT = Path(__file__).parents[1]
READY_SECONDS = 60


class Worker:
    """One place for a worker: whoever is started here again finds the data of the one before."""

    def __init__(self, directory: Path, *arguments: str, settings: Mapping[str, str]) -> None:
        directory.mkdir(parents=True)
        self.log = directory / "worker.log"
        self._command = [str(Path(sys.executable).with_name("orderflow")), "worker", *arguments]
        self._environment = os.environ | settings | {"ORDERFLOW_DATA_DIR": str(directory)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it was not started"  # noqa: S101 - a bug of the caller
        return self._process

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=ROOT, env=self._environment, stderr=log)

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float) -> int:
        """Ask it to drain; its exit code. Raises subprocess.TimeoutExpired."""
        self.process.terminate()
        return self.process.wait(seconds)

    @property
    def ended(self) -> int | None:
        """The exit code, if nobody lives here."""
        return self.process.poll()

    @property
    def rss(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def events(self, event: str) -> list[dict[str, Any]]:
        """What was logged under that name, by all that lived here."""
        lines = self.log.read_text("utf-8").splitlines()
        logged = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [each for each in logged if each["event"] == event]

    def readiness(self) -> dict[str, Any]:
        """What it tells of itself; nothing while it can't be asked."""
        try:
            told: dict[str, Any] = httpx.get(f"{self.events('starting')[-1]['http']}/ready", timeout=1).json()
        except (httpx.HTTPError, IndexError):
            return {}
        return told

    def status(self) -> dict[str, Any]:
        """What it tells of its only service."""
        return next(iter(self.readiness().get("services", {}).values()), {})

    def partitions(self) -> list[int]:
        """Those that it owns and works on."""
        return [each["partition"] for each in self.status().get("partitions", ()) if each["role"] == "active"]


class Fleet:
    """Workers of one app on one cluster."""

    def __init__(
        self,
        addresses: Addresses,
        environment: str,
        directory: Path,
        *,
        app: str,
        count: int,
        store: str,
        session_seconds: float,
        arguments: tuple[str, ...] = (),
    ) -> None:
        settings = {
            "ORDERFLOW_KAFKA_BOOTSTRAP": addresses.kafka,
            "ORDERFLOW_REGISTRY_URL": addresses.registry,
            "ORDERFLOW_ENVIRONMENT": environment,
            "ORDERFLOW_STATE_STORE": store,
            "ORDERFLOW_SESSION_SECONDS": str(session_seconds),
            "ORDERFLOW_LOG_FORMAT": "json",
        }
        self.workers = [
            Worker(directory / str(number), "--wait", "--app", app, *arguments, settings=settings)
            for number in range(count)
        ]

    def __enter__(self) -> Self:
        for worker in self.workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()

    def __iter__(self) -> Iterator[Worker]:
        return iter(self.workers)

    def share(self, partitions: int) -> None:
        """Wait until all partitions are worked on, and everybody has some."""

        def shared() -> bool:
            shares = [worker.partitions() for worker in self.workers]
            return all(shares) and sorted(number for share in shares for number in share) == [*range(partitions)]

        if not wait_until(shared, seconds=READY_SECONDS):
            said = "\n".join(worker.log.read_text("utf-8")[-2_000:] for worker in self.workers)
            raise TimeoutError(f"the workers didn't share {partitions} partitions in {READY_SECONDS} s:\n{said}")
