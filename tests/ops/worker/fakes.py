"""Engines that do as a test says, in this process or (by `--engine`) in a worker of its own."""

import asyncio
import gc
import sys
import time
from dataclasses import replace
from typing import Any

import structlog

from examples.python.patience import patience
from ops.settings import Settings
from ops.worker.surroundings import Surroundings
from streams.effects import Circuit
from streams.hosting import Hosted
from streams.kafka.counters import Counters
from streams.kafka.status import PartitionStatus, ServiceStatus
from streams.service import Service

#: A second declaration, so that a process has two.
kindness = Service(
    name="kindness", state=patience.state, decide=patience.decide, sends=patience.sends, effects=patience.effects
)
both = [Hosted(patience), kindness]
hosted = [Hosted(patience), Hosted(kindness)]

READY = ServiceStatus(
    "patience",
    assigned=True,
    recovered=True,
    generation=3,
    partitions=(PartitionStatus(0, "active", 7, 100, 100, None, 1), PartitionStatus(2, "standby", 0, 50, 50, None, 0)),
    effects_in_flight=2,
    lease=True,
    circuits={"Charge": Circuit.OPEN},
)
JOINING = replace(READY, assigned=False, recovered=False, partitions=(), lease=False)
RECOVERING = replace(
    READY,
    recovered=False,
    partitions=(
        PartitionStatus(0, "recovering", 7, 25, 100, 12.5, 0),
        PartitionStatus(2, "recovering", 0, 50, 100, 3.0, 0),
    ),
)


def surroundings(**settings: Any) -> Surroundings:
    return Surroundings(Settings(**settings), {"bootstrap.servers": "nowhere:1"}, {"url": "http://nowhere"})


class FakeEngine:
    def __init__(self, hosted: Hosted, _surroundings: Surroundings) -> None:
        service = self.service = hosted.service
        self.counters = Counters()
        self.failure: BaseException | None = None
        self.is_status = replace(READY, service=service.name)
        self.stopped = False

    async def start(self) -> None:
        """Under way at once."""

    async def stop(self) -> None:
        self.stopped = True

    def status(self) -> ServiceStatus:
        return self.is_status


class DiesEngine(FakeEngine):
    """Of what a broker that stays away would be."""

    async def start(self) -> None:
        if self.service.name == "patience":
            self.failure = RuntimeError("Kafka was away for 600 s")


class WontStartEngine(FakeEngine):
    async def start(self) -> None:
        if self.service.name == "patience":
            raise RuntimeError("no group would have us")
        await asyncio.Event().wait()


class WontStopEngine(FakeEngine):
    async def stop(self) -> None:
        await asyncio.Event().wait()


class HangsEngine(FakeEngine):
    """It takes the loop with it, as a client that blocks would."""

    async def stop(self) -> None:
        time.sleep(60)  # noqa: ASYNC251 - that is its fault


class TellsEngine(FakeEngine):
    """Of the interpreter that it was given."""

    async def stop(self) -> None:
        told = structlog.stdlib.get_logger("orderflow.fake")
        told.info(
            "interpreter", switch=sys.getswitchinterval(), frozen=gc.get_freeze_count(), collect=gc.get_threshold()
        )


class KeepsThreadEngine(FakeEngine):
    """Its thread outlives it, and is no daemon: the interpreter waits for it."""

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, time.sleep, 60)
