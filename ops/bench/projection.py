"""What a read model costs: orders that lie there already are projected, beside a bare COPY of the same rows."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from agents.catalogue import SERVICES
from ops import contract
from ops.bench.errors import StalledError
from ops.environment import Say, register
from ops.rig.fleet import Fleet, Job, told
from ops.rig.publisher import Publisher
from ops.rig.slate import cleaned, emptied
from ops.settings import Settings
from ops.stack import Stack
from ops.stack.borrowed import borrowed
from ops.stack.progress import Report
from projections import database, migrations
from projections.models import orders
from projections.models.model import Table
from schemas.identity import derived_id
from schemas.message import Message
from schemas.orders import CreatedItem, OrderConfirmed, OrderCreated, OrderStatusChanged, StatusAfter, StatusBefore
from streams.codec import Codec

#: Its own, because all that lies there is removed first.
ENVIRONMENT = "bench"
ITEMS = 2
EVENTS_PER_ORDER = 3
_PRICE = 1_999
_PRODUCTS = 1_000
_CUSTOMERS = 10_000
_BARE = "bare"
PROJECTOR = Job("projector", ("projection", "run", orders.MODEL.name))
#: The first tenth pays for connections and caches.
_WARMING = 0.1
_LOOK_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the read model `orders`, with its items and its history, on the machine that broker and database share."""

    events: int
    events_per_s: float
    #: Rows that are there in the end.
    rows_per_s: float
    #: Of the same rows into the same tables with the same indexes, by COPY alone.
    bare_copy_rows_per_s: float
    vs_bare_copy: float
    #: Of the projector; PostgreSQL's is not in it.
    cpu_us_per_event: float


def run(settings: Settings, report: Report, say: Say, count: int) -> Figures:
    """Start what is missing, measure, and stop it again. Raises StalledError."""
    with ExitStack() as scope:
        addresses = scope.enter_context(borrowed(Stack(settings, report=report)))
        client, access = settings.kafka_client(addresses.kafka), settings.registry_client(addresses.registry)
        register(access, ENVIRONMENT, say)
        cleaned(client, ENVIRONMENT, SERVICES)
        dsn = emptied(addresses.postgres, ENVIRONMENT)
        with (
            contract.opened(access) as registry,
            Publisher(client, Codec(registry, ENVIRONMENT), ENVIRONMENT) as publisher,
        ):
            for number in range(count // EVENTS_PER_ORDER):
                for message in order(number):
                    publisher.send(message)
            publisher.flush()
        events = count // EVENTS_PER_ORDER * EVENTS_PER_ORDER
        say(f"preloaded {events} events")
        connection = scope.enter_context(database.opened(dsn))
        migrations.migrate(connection, _BARE, migrations.of(orders.MODEL.name))
        directory = Path(scope.enter_context(TemporaryDirectory(prefix="orderflow-bench-")))
        with Fleet([PROJECTOR], directory, told(addresses, ENVIRONMENT, database=dsn)) as fleet:
            seconds, cpu, measured = _measured(connection, fleet, events)
        rows = sum(_count(connection, table) for table in orders.MODEL.tables)
        say(f"projected {measured / seconds:.0f} events/s, into {rows} rows")
        bare = rows / _copied(connection)
        per_second = rows / events * measured / seconds
    return Figures(
        events,
        round(measured / seconds),
        round(per_second),
        round(bare),
        round(per_second / bare, 3),
        round(cpu / measured * 1e6, 1),
    )


def order(number: int) -> Iterator[Message]:
    order_id, at = derived_id("bench", "order", number), _now()
    customer = derived_id("bench", "customer", number % _CUSTOMERS)
    products = [derived_id("bench", "product", (number * ITEMS + each) % _PRODUCTS) for each in range(ITEMS)]
    items = tuple(CreatedItem(sku=product, quantity=1, unitPrice=_PRICE) for product in products)
    total = ITEMS * _PRICE
    yield OrderCreated(
        orderId=order_id,
        customerId=customer,
        total=total,
        currency="EUR",
        status="CREATED",
        items=items,
        createdAt=at,
    )
    yield OrderConfirmed(
        orderId=order_id,
        customerId=customer,
        confirmationNumber=f"ORD-{number:08}",
        paymentAuthorizationId=order_id,
        inventoryReservationId=order_id,
        total=total,
        currency="EUR",
        confirmedAt=at,
    )
    yield OrderStatusChanged(
        orderId=order_id,
        previousStatus=StatusBefore.CREATED,
        newStatus=StatusAfter.CONFIRMED,
        sequence=1,
        changeReason="paid",
        changedAt=at,
    )


def _measured(connection: Connection, fleet: Fleet, events: int) -> tuple[float, float, int]:
    """Seconds and processor seconds of the events that came when it was warm, and how many these were."""
    [pid] = fleet.pids
    process = psutil.Process(pid)
    began, warm, cpu = 0.0, 0, 0.0
    applied, moved_at = 0, time.monotonic()
    while applied < events:
        fleet.check()
        time.sleep(_LOOK_SECONDS)
        [[now_applied]] = connection.execute("SELECT coalesce(sum(next_offset), 0) FROM orders.progress")
        if now_applied > applied:
            applied, moved_at = int(now_applied), time.monotonic()
            if not warm and applied >= events * _WARMING:
                began, warm, cpu = moved_at, applied, _cpu(process)
        elif time.monotonic() - moved_at > _PATIENCE_SECONDS:
            raise StalledError(_PATIENCE_SECONDS, applied, events, "events")
    return moved_at - began, _cpu(process) - cpu, events - warm


def _copied(connection: Connection) -> float:
    """Seconds that COPY takes for the same rows, each table as a whole."""
    seconds = 0.0
    for table in orders.MODEL.tables:
        columns = SQL(", ").join(map(Identifier, table.columns))
        there, new = Identifier(orders.MODEL.name, table.name), Identifier(_BARE, table.name)
        with connection.cursor() as cursor:
            with cursor.copy(SQL("COPY {} ({}) TO STDOUT").format(there, columns)) as copy:
                rows = b"".join(bytes(each) for each in copy)
            began = time.monotonic()
            with cursor.copy(SQL("COPY {} ({}) FROM STDIN").format(new, columns)) as copy:
                copy.write(rows)
            seconds += time.monotonic() - began
    return seconds


def _count(connection: Connection, table: Table) -> int:
    [[count]] = connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(orders.MODEL.name, table.name)))
    return int(count)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _now() -> int:
    return time.time_ns() // 1_000_000
