"""How long it takes to make a read model anew: orders are projected, then rebuilt beside that, and swapped."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from agents.catalogue import SERVICES
from ops import contract, rebuilding
from ops.bench.errors import StalledError
from ops.bench.projection import ENVIRONMENT, PROJECTOR, order
from ops.environment import Say, register
from ops.reading import unseen
from ops.rig.fleet import Fleet, told
from ops.rig.publisher import Publisher
from ops.rig.slate import cleaned, emptied
from ops.settings import Settings
from ops.stack import Stack
from ops.stack.borrowed import borrowed
from ops.stack.progress import Report
from projections import database
from projections.models import orders
from projections.rebuild.run import rebuild
from schemas.identity import derived_id
from schemas.message import Message
from schemas.orders import OrderStatusChanged, StatusAfter, StatusBefore
from streams.codec import Codec

_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the read model `orders`, with its items and its history, on the machine that broker and database share."""

    orders: int
    events: int
    rows: int
    #: From the first record to the swap.
    seconds: float
    events_per_s: int
    #: Of the rebuild's own processes; PostgreSQL's is not in it.
    cpu_us_per_event: float
    differences: int
    #: How long the projector was kept waiting.
    held_ms: float
    stages: dict[str, float]


def run(settings: Settings, report: Report, say: Say, count: int) -> Figures:
    """Start what is missing, measure, and stop it again. Raises StalledError."""
    with ExitStack() as scope:
        addresses = scope.enter_context(borrowed(Stack(settings, report=report)))
        client, access = settings.kafka_client(addresses.kafka), settings.registry_client(addresses.registry)
        register(access, ENVIRONMENT, say)
        cleaned(client, ENVIRONMENT, SERVICES)
        dsn = emptied(addresses.postgres, ENVIRONMENT)
        events = 0
        with (
            contract.opened(access) as registry,
            Publisher(client, Codec(registry, ENVIRONMENT), ENVIRONMENT) as publisher,
        ):
            for number in range(count):
                for message in _life(number):
                    publisher.send(message)
                    events += 1
            publisher.flush()
        say(f"preloaded {events} events")
        where = {"kafka_bootstrap": addresses.kafka, "registry_url": addresses.registry, "postgres_dsn": SecretStr(dsn)}
        directory = Path(scope.enter_context(TemporaryDirectory(prefix="orderflow-bench-")))
        with Fleet([PROJECTOR], directory, told(addresses, ENVIRONMENT, database=dsn)) as fleet:
            _await_projected(dsn, fleet, events)
            say("projected all of them; rebuilding")
            site = rebuilding.site(settings.model_copy(update=where), ENVIRONMENT, orders.MODEL.name)
            cpu = _cpu()
            done = rebuild(site, unseen, say, accept_differences=True)
            cpu = _cpu() - cpu
    return Figures(
        count,
        done.records,
        done.rows,
        done.seconds["all"],
        round(done.records / done.seconds["all"]),
        round(cpu / done.records * 1e6, 1),
        done.differing,
        done.held_ms,
        done.seconds,
    )


def _life(number: int) -> Iterator[Message]:
    yield from order(number)
    yield OrderStatusChanged(
        orderId=derived_id("bench", "order", number),
        previousStatus=StatusBefore.CONFIRMED,
        newStatus=StatusAfter.AWAITING_FULFILMENT,
        sequence=2,
        changedAt=time.time_ns() // 1_000_000,
    )


def _cpu() -> float:
    """Seconds, of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def _await_projected(dsn: str, fleet: Fleet, events: int) -> None:
    applied, moved_at = 0, time.monotonic()
    with database.opened(dsn) as connection:
        while applied < events:
            fleet.check()
            time.sleep(_LOOK_SECONDS)
            [[now]] = connection.execute("SELECT coalesce(sum(next_offset), 0) FROM orders.progress")
            if now > applied:
                applied, moved_at = int(now), time.monotonic()
            elif time.monotonic() - moved_at > _PATIENCE_SECONDS:
                raise StalledError(_PATIENCE_SECONDS, applied, events, "events")
