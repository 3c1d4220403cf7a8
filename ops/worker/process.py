"""The process around a worker: signals, and an end that comes whatever hangs.

A first SIGTERM or SIGINT drains, a second ends the process at once. Neither loses anything: what was not finished is
done again by the partitions' next owner, from the changelog.
"""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from types import FrameType

import structlog

from ops.worker.run import H, run
from ops.worker.surroundings import Surroundings
from streams.kafka.status import Engine

#: Beyond the drain: for the endpoints, the last spans, and threads that are not ours.
END_SECONDS = 5.0
#: Threads of several services and calls to the outside share the interpreter. At Python's own 5 ms one that decides
#: makes the loop that sends heartbeats, and every other service's next round, wait for as long.
SWITCH_SECONDS = 0.0005

log = structlog.stdlib.get_logger("orderflow.worker")


def host(
    services: Sequence[H],
    surroundings: Surroundings,
    factory: Callable[[H, Surroundings], Engine],
    *,
    check: Callable[[], None],
    wait_seconds: float,
) -> None:
    """Run them in this process, which is theirs from now on: its signals, its interpreter, its end."""
    sys.setswitchinterval(SWITCH_SECONDS)
    worker = partial(run, services, surroundings, factory, check=check, wait_seconds=wait_seconds)
    asyncio.run(_hosted(worker, surroundings.settings.drain_seconds))


async def _hosted(worker: Callable[..., Awaitable[None]], drain_seconds: float) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    # A thread, because what hangs may be the loop itself; and never called off, because threads that are not ours are
    # waited for after the last line of ours.
    deadline = threading.Timer(drain_seconds + END_SECONDS, _cut_short)
    deadline.daemon = True

    def ends() -> None:
        with suppress(RuntimeError):  # it has begun already
            deadline.start()

    def at_once(number: int, _frame: FrameType | None) -> None:
        os._exit(128 + number)

    def told(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, at_once)
        signal.signal(signal.SIGINT, at_once)
        loop.call_soon_threadsafe(stop.set)
        loop.call_soon_threadsafe(partial(log.info, "told to stop", signal=signal.Signals(number).name))
        ends()

    # Not the loop's own handlers: those would wait for a loop that hangs.
    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    try:
        await worker(stop=stop, started=settle, ends=ends)
    finally:
        ends()
        # The loop is about to close, and nothing is left to drain.
        signal.signal(signal.SIGTERM, at_once)
        signal.signal(signal.SIGINT, at_once)


def _cut_short() -> None:
    os.write(2, b"orderflow: the worker did not end in time and was cut short; its partitions' next owner goes on\n")
    os._exit(1)


def settle() -> None:
    """What is there after the start stays: modules, schemas, declarations. Collections need not walk it again.

    And rarer: decisions make many short-lived objects and hardly any cycles, while a collection of the oldest
    generation walks every entry that is kept in memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
