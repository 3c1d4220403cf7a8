"""What goes wrong around a projector, each of it really; and afterwards every row is what the log says."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import psutil
import pytest
from confluent_kafka import TopicPartition
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from ops.stack import Addresses
from ops.stack.ports import HOST
from ops.stack.postgres import Postgres
from projections import database, projector
from projections.models import orders
from schemas.orders import CreatedItem
from schemas.topics import ORDERS_EVENTS
from streams.confluent import ConfluentRegistry
from streams.kafka.status import Engine
from tests.projections.ground import Ground
from tests.projections.test_brake import lag
from tests.projections.test_projector import confirmed, created, some, totals
from tests.streams.kafka.engines import SECONDS, active, running, until
from tests.topics import alter

pytestmark = pytest.mark.connected

WAITS = SQL("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
LONG_AGO, LONG_AFTER = 1_000_000_000_000, 2_050_000_000_000


@pytest.fixture
def ground(stack: Addresses, unique: str, dsn: str) -> Ground:
    ground = Ground(stack.kafka, unique, dsn)
    ground.make(orders.MODEL)
    return ground


def applied(ground: Ground, count: int, engine: Engine, seconds: float = SECONDS) -> None:
    until(lambda: ground.applied(orders.MODEL) == count, engine, seconds=seconds)


def exact(ground: Ground) -> bool:
    found = ground.verdict(orders.MODEL)
    assert found.differing == 0, found.differences
    return ground.dead_letters(orders.MODEL) == []


@contextmanager
def other(ground: Ground, **settings: str) -> Iterator[Connection]:
    """Somebody else in the database. For all who come after, it has the settings."""
    with database.opened(ground.dsn) as connection:
        for name, value in settings.items():
            statement = SQL("ALTER DATABASE {} SET {} = {}")
            connection.execute(statement.format(Identifier(connection.info.dbname), Identifier(name), value))
        yield connection


def test_who_is_chosen_to_end_a_deadlock_writes_again(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    engine, there = ground.engine(orders.MODEL), some(2)
    with other(ground, deadlock_timeout="3s") as connection, running(engine):
        until(lambda: len(active(engine)) == 4, engine)
        connection.execute("SET deadlock_timeout = '60s'")
        with connection.transaction():
            connection.execute("LOCK TABLE orders.order_items")
            ground.broker.publish(*map(created, there))
            until(lambda: bool(ground.ask(WAITS)), engine)
            # It has rows of orders, and waits for us: now we wait for it, more patiently.
            connection.execute("LOCK TABLE orders.orders")
        applied(ground, 8, engine)
    assert "40P01 DeadlockDetected" in caplog.text
    assert exact(ground)


def test_who_is_refused_because_another_was_quicker_writes_again(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a server whose default isolation is stricter than PostgreSQL's own."""
    [order_id] = some(1, 0)
    with other(ground, default_transaction_isolation="repeatable read") as connection:
        engine = ground.engine(orders.MODEL)
        ground.broker.publish(created(order_id))
        with running(engine):
            applied(ground, 1, engine)
            with connection.transaction():
                connection.execute("UPDATE orders.orders SET total = total")
                ground.broker.publish(confirmed(order_id))
                until(lambda: bool(ground.ask(WAITS)), engine)
            applied(ground, 2, engine)
    assert "40001 SerializationFailure" in caplog.text
    assert exact(ground)


def test_where_retention_was_quicker_it_goes_on_at_what_is_there_and_says_so(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    first, lost, last = (some(9, 0)[begin : begin + 3] for begin in (0, 3, 6))
    ground.broker.publish(*map(created, first))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        applied(ground, 3, engine)
    ground.broker.publish(*map(created, lost + last))
    place = TopicPartition(ORDERS_EVENTS.name(ground.environment), 0, 6)
    next(iter(ground.broker.admin.delete_records([place]).values())).result(SECONDS)
    engine = ground.engine(orders.MODEL)
    with running(engine):
        applied(ground, 9, engine)
    assert "offset 3 is not there any more, it has 6 to 9" in caplog.text
    assert totals(ground) == sorted((order_id, 500) for order_id in first + last)
    assert ground.verdict(orders.MODEL).older == 6
    assert exact(ground)


@pytest.mark.parametrize("count", [1, 5], ids=["shorter", "longer"])
def test_a_topic_that_is_made_anew_while_it_is_read_is_begun_anew(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    if count > 3:  # a position that the new one has, too, tells nothing: only the next look does
        monkeypatch.setattr(projector, "TOPICS_SECONDS", 0.5)
    first, second, *more = some(6, 0)
    ground.broker.publish(created(first), created(first), created(second))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        applied(ground, 3, engine)
        ground.broker.delete_topic(ORDERS_EVENTS.name(ground.environment))
        ground.make(orders.MODEL)
        ground.broker.publish(*(created(order_id, 700) for order_id in (first, *more)[:count]))
        anew = [(count, 1)]
        # Less than it takes to the next look by itself.
        until(lambda: ground.rows("orders.progress", "next_offset", "generation")[-1:] == anew, engine, seconds=20)
    assert totals(ground) == sorted([(second, 500), *((order_id, 700) for order_id in (first, *more)[:count])])
    assert exact(ground)


class Relay(ThreadingTCPServer):
    """A port that leads to another, once it is open."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port: int, to: int) -> None:
        self.to = to
        super().__init__((HOST, port), _Relayed)


class _Relayed(BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Relay)
        with socket.create_connection((HOST, self.server.to)) as upstream:
            answers = Thread(target=_pump, args=(upstream, self.request), daemon=True)
            answers.start()
            _pump(self.request, upstream)
            answers.join(SECONDS)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    while said := source.recv(65_536):
        sink.sendall(said)
    sink.shutdown(socket.SHUT_WR)


def test_a_registry_that_is_away_buries_nothing(stack: Addresses, unique: str, dsn: str) -> None:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    real = int(stack.registry.split(":")[2].split("/")[0])
    with (
        closing(ConfluentRegistry({"url": stack.registry}, registers=True)) as producers,
        closing(ConfluentRegistry({"url": stack.registry.replace(str(real), str(port))})) as projectors,
    ):
        ground = Ground(stack.kafka, unique, dsn, producers)
        ground.make(orders.MODEL)
        ground.broker.publish(*map(created, some(2)))
        engine = ground.engine(orders.MODEL, registry=projectors)
        with running(engine):
            until(lambda: lag(engine) == 8, engine)
            assert ground.applied(orders.MODEL) == 0
            with Relay(port, real) as relay:
                thread = Thread(target=relay.serve_forever, daemon=True)
                thread.start()
                applied(ground, 8, engine)
                relay.shutdown()
        assert exact(ground)


def test_lag_is_shown_while_the_database_is_away_from_the_start(
    stack: Addresses, unique: str, server: Postgres
) -> None:
    dsn = make_conninfo(server.up(), dbname=unique)
    database.create(dsn)
    ground = Ground(stack.kafka, unique, dsn)
    ground.make(orders.MODEL)
    ground.broker.publish(*map(created, some(2)))
    server.down()
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: lag(engine) == 8, engine)
        server.up()
        applied(ground, 8, engine)
        until(lambda: lag(engine) == 0, engine)
    assert exact(ground)


def test_clocks_that_jump_change_no_row_for_the_worse(ground: Ground) -> None:
    # Brokers refuse what is more than an hour ahead, unless they are told not to.
    topic = ORDERS_EVENTS.name(ground.environment)
    alter(ground.broker.client["bootstrap.servers"], topic, "message.timestamp.after.max.ms", str(2**62))
    there = some(2)
    for order_id in there:
        said = (created(order_id), LONG_AFTER), (confirmed(order_id), LONG_AGO), (created(order_id), LONG_AFTER - 1)
        for message, at in said:
            ground.broker.put(ORDERS_EVENTS, ground.broker.codec.encode(message), order_id.encode(), at=at)
    ground.broker.flush()
    engine = ground.engine(orders.MODEL)
    with running(engine):
        applied(ground, 24, engine)
    # The last event that was applied, by its place, and not the latest by its own time.
    stamps = ground.ask(SQL("SELECT DISTINCT extract(epoch FROM changed_at) * 1000 FROM orders.orders"))
    assert [int(stamp) for (stamp,) in stamps] == [LONG_AFTER - 1]
    assert exact(ground)


MEGABYTE = 2**20


def shorten_log(server: Postgres) -> None:
    """Segments of the write-ahead log, which must not fail, are to be smaller than what fails."""
    [pid] = server.status().pids
    running_server = psutil.Process(pid)
    data, tool = Path(running_server.cwd()), Path(running_server.exe()).with_name("pg_resetwal")
    server.down()
    subprocess.run([tool, "--wal-segsize=1", data], check=True, capture_output=True, user=data.stat().st_uid)
    server.up()


def limit(server: Postgres, size: int | str) -> None:
    """No file of this server, or of whoever is connected, may grow beyond that."""
    [pid] = server.status().pids
    owner = psutil.Process(pid)
    for process in (owner, *owner.children()):
        # As its own user: that is who may, without being root.
        command = ["prlimit", f"--pid={process.pid}", f"--fsize={size}:"]
        subprocess.run(command, check=True, user=owner.uids().real, group=owner.gids().real)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="nothing here limits the files of a running server")
@pytest.mark.proof
def test_a_copy_that_finds_no_space_waits_until_there_is_some(
    stack: Addresses, unique: str, server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    dsn = make_conninfo(server.up(), dbname=unique)
    shorten_log(server)
    database.create(dsn)
    ground = Ground(stack.kafka, unique, dsn)
    ground.make(orders.MODEL)
    there = some(300, 0)
    items = tuple(CreatedItem(sku=product, quantity=1, unitPrice=1) for product in some(60, 1))
    ground.broker.publish(*(created(order_id).model_copy(update={"items": items}) for order_id in there))
    limit(server, MEGABYTE)
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: lag(engine) == len(there) and "could not extend file" in caplog.text, engine)
        # Of a temporary table, so it was the COPY that failed.
        assert re.search(r"could not extend file .base/\d+/t", caplog.text)
        limit(server, "unlimited")
        applied(ground, len(there), engine)
    assert len(ground.rows("orders.order_items", "order_id")) == len(there) * len(items)
    assert exact(ground)
