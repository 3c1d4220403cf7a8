"""Whether a worker lives, whether it is ready, and what is missing."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from streams.kafka.status import Engine, ServiceStatus


class Health:
    """Of a process that goes through checks, work, and drain."""

    def __init__(self) -> None:
        #: Filled once the start-up checks are through.
        self.engines: Mapping[str, Engine] = {}
        self.draining = False

    def failures(self) -> dict[str, str]:
        """Why the process must be replaced, by service."""
        return {
            name: f"{type(failure).__name__}: {failure}"
            for name, engine in self.engines.items()
            if (failure := engine.failure) is not None
        }

    def missing(self) -> dict[str, str]:
        """What keeps the process from being ready; of itself, or by service."""
        if self.draining:
            return {"worker": "it drains: it was told to stop"}
        if not self.engines:
            return {"worker": "its start-up checks"}
        lacks = {name: _missing(engine.status()) for name, engine in self.engines.items()}
        return {name: lack for name, lack in (lacks | self.failures()).items() if lack}

    def report(self) -> dict[str, Any]:
        missing = self.missing()
        return {
            "ready": not missing,
            "missing": missing,
            "services": {name: _described(engine.status()) for name, engine in self.engines.items()},
        }


def _missing(status: ServiceStatus) -> str | None:
    if not status.assigned:
        return "its share of partitions"
    return None if status.recovered else "recovery"


def _described(status: ServiceStatus) -> dict[str, Any]:
    wanted = sum(each.to_restore for each in status.partitions)
    restored = sum(each.restored for each in status.partitions)
    left = [each.eta_seconds for each in status.partitions if each.eta_seconds is not None]
    return {
        "recovery_percent": 100.0 if status.recovered or not wanted else round(100 * restored / wanted, 1),
        # Partitions recover side by side: the last one counts.
        "eta_seconds": max(left, default=None),
        **asdict(status),
    }
