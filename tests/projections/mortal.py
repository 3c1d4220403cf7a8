"""A projector of orders in a process of its own, which dies at a given moment as by kill -9: `python -m …mortal`."""

import asyncio
import functools
import os
import signal
import sys
from enum import Enum
from typing import Any, NamedTuple

from projections.engine import Ground, ProjectionEngine
from projections.letters import Letters
from projections.models import orders
from projections.store import Store
from projections.upsert import Upsert
from streams.confluent import ConfluentRegistry


class Cut(NamedTuple):
    """Before or after a call."""

    place: Any
    method: str
    after: bool


class Moment(Enum):
    """The first time that it comes here it dies."""

    READ = Cut(Store, "write", after=False)
    BEFORE_COPY = Cut(Upsert, "copy", after=False)
    AFTER_COPY = Cut(Upsert, "copy", after=True)
    BEFORE_COMMIT = Cut(Upsert, "merge", after=True)
    AFTER_COMMIT = Cut(Store, "write", after=True)
    AFTER_DEAD_LETTER = Cut(Letters, "send", after=True)


def arm(cut: Cut) -> None:
    place, name, after = cut
    method = getattr(place, name)

    @functools.wraps(method)
    def mortal(*arguments: Any, **named: Any) -> Any:
        if after:
            method(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, mortal)


async def live(environment: str, bootstrap: str, registry: str, dsn: str) -> None:
    ground = Ground(
        environment=environment,
        client={"bootstrap.servers": bootstrap},
        registry=ConfluentRegistry({"url": registry}),
        dsn=dsn,
        session_seconds=6.0,
    )
    engine = ProjectionEngine(orders.MODEL, ground)
    await engine.start()
    while engine.failure is None:  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.1)
    raise engine.failure


if __name__ == "__main__":
    arm(Moment[sys.argv[1]].value)
    asyncio.run(live(*sys.argv[2:]))
