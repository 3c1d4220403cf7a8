"""A worker of one service, in a process of its own."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.confluent import ConfluentRegistry
from streams.effects import Perform, Policy
from streams.hosting import Hosted
from streams.kafka import control
from streams.kafka.engine import KafkaEngine, Site
from streams.service import Service
from streams.stores import Stores
from streams.stores.memory import MemoryStores
from streams.stores.rocks import RocksStores
from tests.contract.worlds.moments import Moment, arm

#: How often offsets are committed, which is what a test waits for. The engine's own pulse of a second would do.
PULSE_SECONDS = 0.2


@dataclass(frozen=True)
class Job:
    """All that a worker is told."""

    service: Service[Any, Any]
    environment: str
    bootstrap: str
    registry: str
    #: For RocksDB; None for stores in memory.
    state: Path | None
    log: Path
    session_seconds: float
    perform: Mapping[type, Perform]
    policies: Mapping[type, Policy]
    dies_at: Moment | None


def work(job: Job) -> None:
    with job.log.open("ab") as log:
        os.dup2(log.fileno(), 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)s %(name)s %(message)s")
    control.PULSE_SECONDS = PULSE_SECONDS
    if job.dies_at is not None:
        arm(job.dies_at)
    asyncio.run(_live(job))


async def _live(job: Job) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    stores: Stores = MemoryStores() if job.state is None else RocksStores(job.state, partitions=8)
    site = Site(
        environment=job.environment,
        client={"bootstrap.servers": job.bootstrap},
        registry=ConfluentRegistry({"url": job.registry}),
        stores=stores,
        session_seconds=job.session_seconds,
    )
    engine = KafkaEngine(Hosted(job.service, perform=job.perform, policies=job.policies), site)
    try:
        await engine.start()
        while not stop.is_set() and engine.failure is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PULSE_SECONDS)
    finally:
        await engine.stop()
    if engine.failure is not None:
        raise engine.failure
