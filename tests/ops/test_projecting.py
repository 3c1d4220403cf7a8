"""`orderflow projection run` as an operator meets it: a process of its own, on the real stack."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from psycopg.conninfo import make_conninfo

from ops import environment
from ops.stack import Addresses
from ops.stack.ports import HOST
from ops.stack.postgres import Postgres
from ops.stack.waiting import wait_until
from projections import database, migrations
from projections.models import orders
from schemas.examples import example_of
from schemas.orders import OrderCreated
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.topics import TopicAdmin
from tests.projections.conftest import dsn as dsn  # noqa: PLC0414 - a fixture is found by its name
from tests.projections.conftest import server as server  # noqa: PLC0414 - the same
from tests.projections.ground import Ground as Rows
from tests.streams.kafka.engines import Ground

pytestmark = pytest.mark.connected

SECONDS = 60

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(stack: Addresses, unique: str, dsn: str, tmp_path: Path) -> Iterator[Start]:
    settings = {
        "ORDERFLOW_KAFKA_BOOTSTRAP": stack.kafka,
        "ORDERFLOW_REGISTRY_URL": stack.registry,
        "ORDERFLOW_POSTGRES_DSN": dsn,
        "ORDERFLOW_ENVIRONMENT": unique,
        "ORDERFLOW_SESSION_SECONDS": "6",
    }
    started: list[subprocess.Popen[str]] = []

    def starting(*arguments: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ops.cli", "projection", *arguments]
        with (tmp_path / "log").open("w") as log:
            started.append(subprocess.Popen(command, env=os.environ | settings | more, stderr=log, text=True))
        return started[-1]

    yield starting
    for process in started:
        process.kill()
        process.wait()


def lines(tmp_path: Path) -> list[str]:
    return (tmp_path / "log").read_text("utf-8").splitlines()


def make(stack: Addresses, unique: str, dsn: str) -> None:
    environment.register({"url": stack.registry}, unique, lambda _: None)
    environment.create_topics({"bootstrap.servers": stack.kafka}, unique, lambda _: None)
    with database.opened(dsn) as connection:
        for schema in migrations.schemas():
            migrations.migrate(connection, schema, migrations.of(schema))


def test_it_fills_every_read_model_shows_it_over_http_and_drains(
    stack: Addresses, unique: str, dsn: str, start: Start, tmp_path: Path
) -> None:
    make(stack, unique, dsn)
    process = start("run")
    assert wait_until(lambda: any('"starting"' in line for line in lines(tmp_path)), seconds=SECONDS)
    [first] = [json.loads(line) for line in lines(tmp_path) if '"starting"' in line]
    assert first["services"] == [f"{name}-projection" for name in ("orders", "payments", "inventory", "checkouts")]

    def ready() -> bool:
        return process.poll() is None and httpx.get(f"{first['http']}/ready", timeout=5).status_code == httpx.codes.OK

    assert wait_until(ready, seconds=SECONDS), lines(tmp_path)
    order = example_of(OrderCreated)
    ground = Ground(stack.kafka, unique)
    with database.opened(dsn) as connection:
        registry = ConfluentRegistry({"url": stack.registry})
        ground.codec = Codec(registry, unique)
        ground.publish(order)
        registry.close()

        def there() -> bool:
            return connection.execute("SELECT total FROM orders.orders").fetchall() == [(order.total,)]

        assert wait_until(there, seconds=SECONDS)

    def caught_up() -> bool:
        """Lag is told once a second, so it may be of the moment before."""
        metrics = httpx.get(f"{first['http']}/metrics", timeout=5).text
        return 'orderflow_lag_records{partition="0",service="orders-projection"} 0.0' in metrics

    assert wait_until(caught_up, seconds=SECONDS)
    assert {f"{name}-projection.{unique}.dlq" for name in ("orders", "payments", "inventory", "checkouts")} <= set(
        TopicAdmin({"bootstrap.servers": stack.kafka}).partition_counts()
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0


def test_what_is_missing_is_said_with_the_command_that_makes_it(
    stack: Addresses, unique: str, start: Start, tmp_path: Path
) -> None:
    environment.create_topics({"bootstrap.servers": stack.kafka}, unique, lambda _: None)
    assert start("run", "orders").wait(SECONDS) == 1
    told = "\n".join(lines(tmp_path))
    assert "schema orders: 0001_orders.pre.sql is pending; run: orderflow database migrate" in told
    assert "run: orderflow schemas register" in told


def test_a_database_that_is_away_is_waited_for(
    stack: Addresses, unique: str, server: Postgres, start: Start, tmp_path: Path
) -> None:
    address = make_conninfo(server.up(), dbname=unique)
    database.create(address)
    make(stack, unique, address)
    server.down()
    process = start("run", "orders", "--wait", ORDERFLOW_POSTGRES_DSN=address)
    assert wait_until(lambda: any('"waiting"' in line for line in lines(tmp_path)), seconds=SECONDS)
    assert "PostgreSQL does not let us in" in "\n".join(lines(tmp_path))
    server.up()
    order, ground = example_of(OrderCreated), Rows(stack.kafka, unique, address)
    with closing(ConfluentRegistry({"url": stack.registry})) as registry:
        ground.broker.codec = Codec(registry, unique)
        ground.broker.publish(order)
        assert wait_until(lambda: ground.rows("orders.orders", "total") == [(order.total,)], seconds=SECONDS)
        assert ground.verdict(orders.MODEL).differing == 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0


def test_without_wait_a_database_that_is_away_ends_it(
    stack: Addresses, unique: str, start: Start, tmp_path: Path
) -> None:
    environment.register({"url": stack.registry}, unique, lambda _: None)
    environment.create_topics({"bootstrap.servers": stack.kafka}, unique, lambda _: None)
    assert start("run", "orders", ORDERFLOW_POSTGRES_DSN=f"postgresql://{HOST}:1/orders").wait(SECONDS) == 1
    assert any(line.startswith("orderflow: PostgreSQL does not let us in") for line in lines(tmp_path))


def test_another_name_is_no_read_model(start: Start, tmp_path: Path) -> None:
    assert start("run", "order").wait(SECONDS) == 2
    assert lines(tmp_path)[-1] == "orderflow: order is no read model; did you mean orders?"
