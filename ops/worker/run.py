"""A worker's life: checks, start, work, drain. Everything that ends it comes through here."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import structlog

from ops.worker.health import Health
from ops.worker.http import served
from ops.worker.surroundings import Surroundings
from projections.database import DatabaseAwayError
from schemas.errors import OrderflowError
from streams.errors import RegistryUnavailableError
from streams.kafka.status import Engine
from streams.topics import UnreachableError

#: How long `--wait` waits: as long as a running worker bears with a broker that is away.
WAIT_SECONDS = 600.0
PAUSE_SECONDS = 1.0
#: An engine fails in a thread of its own, and does no harm while nobody looks.
LOOK_SECONDS = 0.2

log = structlog.stdlib.get_logger("orderflow.worker")


class ServiceFailedError(OrderflowError):
    """A service can't go on, and with it the process: whoever watches over it starts it anew."""

    def __init__(self, service: str, failure: BaseException) -> None:
        super().__init__(f"{service} can't go on: {str(failure) or type(failure).__name__}")
        self.service, self.failure = service, failure


class UndrainedError(OrderflowError):
    """The process ends with work in hand. Nothing is lost: the partitions' next owner does it again."""

    def __init__(self, services: Sequence[str], seconds: float) -> None:
        super().__init__(
            f"{', '.join(services)} did not drain in {seconds:g} s; the next owner repeats what was in hand "
            "(ORDERFLOW_DRAIN_SECONDS gives more time)"
        )
        self.services = tuple(services)


class Named(Protocol):
    """What an engine is made of: a service, a read model."""

    @property
    def name(self) -> str: ...


H = TypeVar("H", bound=Named)


async def run(
    services: Sequence[H],
    surroundings: Surroundings,
    factory: Callable[[H, Surroundings], Engine],
    *,
    check: Callable[[], None],
    wait_seconds: float,
    stop: asyncio.Event,
    started: Callable[[], None],
    ends: Callable[[], None],
) -> None:
    """Return after a drain that `stop` asked for; raise for everything else that ends a worker.

    `check` blocks, so it runs in a thread; while it finds nobody it is repeated for `wait_seconds`. `started` hears
    that every engine is under way; `ends` that the end has begun, before anything is waited for.
    """
    settings, health = surroundings.settings, Health()
    async with served(health, settings.http_host, settings.http_port) as url:
        names = [hosted.name for hosted in services]
        log.info("starting", services=names, environment=settings.environment, http=url)
        if not await _unless(stop, _checked(check, wait_seconds)):
            return
        health.engines = {hosted.name: factory(hosted, surroundings) for hosted in services}
        try:
            if await _start(health.engines, stop):
                started()
                await _watch(health.engines, stop)
        finally:
            health.draining = True
            ends()
            undrained = await _drain(health.engines, settings.drain_seconds)
        if undrained:
            raise UndrainedError(undrained, settings.drain_seconds)
        log.info("drained")


async def _checked(check: Callable[[], None], wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return await asyncio.to_thread(check)
        except (UnreachableError, RegistryUnavailableError, DatabaseAwayError) as away:
            if time.monotonic() + PAUSE_SECONDS > deadline:
                raise
            log.warning("waiting", reason=str(away))
        await asyncio.sleep(PAUSE_SECONDS)


async def _start(engines: Mapping[str, Engine], stop: asyncio.Event) -> bool:
    """Start all at once; False where the process was told to stop meanwhile."""
    starting = [asyncio.ensure_future(_started(name, engine)) for name, engine in engines.items()]
    try:
        return await _unless(stop, asyncio.gather(*starting))
    finally:
        for each in starting:  # one that failed to start leaves the others under way
            each.cancel()


async def _started(name: str, engine: Engine) -> None:
    try:
        await engine.start()
    except Exception as error:  # noqa: BLE001 - whatever it is, the process ends with it, in one line
        raise _failed(name, error) from error.__cause__


async def _watch(engines: Mapping[str, Engine], stop: asyncio.Event) -> None:
    log.info("started")
    while not stop.is_set():
        for name, engine in engines.items():
            if (failure := engine.failure) is not None:
                raise _failed(name, failure) from failure.__cause__
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_SECONDS)


def _failed(name: str, failure: BaseException) -> ServiceFailedError:
    # The command's last line says what; only the log says where.
    log.error("a service can't go on", service=name, exc_info=failure)
    return ServiceFailedError(name, failure)


async def _drain(engines: Mapping[str, Engine], seconds: float) -> list[str]:
    """Stop all at once; the services that would not, or not in time."""
    log.info("draining")
    stopping = {name: asyncio.ensure_future(engine.stop()) for name, engine in engines.items()}
    await asyncio.wait(stopping.values(), timeout=seconds)
    undrained = []
    for name, stopped in stopping.items():
        if not stopped.done():
            stopped.cancel()
            undrained.append(name)
        elif (error := stopped.exception()) is not None:
            log.error("a service did not stop", service=name, exc_info=error)
            undrained.append(name)
    return undrained


async def _unless(stop: asyncio.Event, work: Awaitable[Any]) -> bool:
    """Whether `work` was done before the process was told to stop."""
    working, told = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, told), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
        return working.done()
    finally:
        working.cancel()
        told.cancel()
