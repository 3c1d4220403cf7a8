"""Whoever dies, and wherever: every record counts once."""

import signal
import subprocess
import sys
from contextlib import closing
from itertools import islice

import psutil
import pytest
from psycopg.conninfo import make_conninfo

from ops.stack import Addresses
from ops.stack.postgres import Postgres
from projections import database
from projections.models import orders
from schemas.orders import OrderCreated
from streams.confluent import ConfluentRegistry
from tests.projections.ground import Ground
from tests.projections.mortal import Moment
from tests.projections.test_models import CREATED
from tests.streams.kafka.engines import active, running, until
from tests.streams.kafka.engines import orders as ids

pytestmark = pytest.mark.connected

SECONDS = 60
#: Writes one row for every time that a row of `orders` is written and stays.
WITNESS = """
    CREATE TABLE witness (order_id uuid, version bigint);
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.witness VALUES (NEW.order_id, NEW.version); RETURN NEW; END $$;
    CREATE TRIGGER see AFTER INSERT OR UPDATE ON orders.orders FOR EACH ROW EXECUTE FUNCTION see();
"""


def some(count: int) -> list[str]:
    return [order_id for partition in range(4) for order_id in islice(ids(partition), count)]


def created(order_id: str) -> OrderCreated:
    return CREATED.model_copy(update={"orderId": order_id})


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.name)
def test_a_projector_that_is_killed_loses_nothing_and_repeats_nothing(
    stack: Addresses, unique: str, dsn: str, registry: ConfluentRegistry, moment: Moment
) -> None:
    ground = Ground(stack.kafka, unique, dsn, registry)
    ground.make(orders.MODEL)
    with database.opened(dsn) as connection:
        connection.execute(WITNESS)
    there = some(3)
    ground.broker.publish(*map(created, there))
    for partition in range(4):
        ground.broker.put(orders.MODEL.topics[0], b"nonsense", b"", partition=partition)
    ground.broker.flush()
    killed = subprocess.run(
        [sys.executable, "-m", "tests.projections.mortal", moment.name, unique, stack.kafka, stack.registry, dsn],
        timeout=SECONDS,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: ground.applied(orders.MODEL) == 16, engine)
    assert sorted(str(order_id) for (order_id,) in ground.rows("public.witness", "order_id")) == sorted(there)
    assert len(ground.rows("orders.order_items", "order_id")) == 12
    # A dead letter comes at least once: its headers name its place.
    assert {letter.partition for letter in ground.dead_letters(orders.MODEL)} == {0, 1, 2, 3}


@pytest.mark.slow
def test_a_database_that_is_killed_in_the_middle_of_a_batch_loses_nothing_and_repeats_nothing(
    stack: Addresses, unique: str, server: Postgres
) -> None:
    dsn = make_conninfo(server.up(), dbname=unique)
    database.create(dsn)
    ground = Ground(stack.kafka, unique, dsn)
    ground.make(orders.MODEL)
    engine, there = ground.engine(orders.MODEL), some(3)
    with running(engine):
        until(lambda: len(active(engine)) == 4, engine)
        with closing(database.opened(dsn)) as connection:
            connection.execute(WITNESS)
            connection.execute("BEGIN; LOCK TABLE orders.order_items IN ACCESS EXCLUSIVE MODE")
            ground.broker.publish(*map(created, there))
            # By then rows of orders are written, and not committed.
            with closing(database.opened(dsn)) as other:
                waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                until(lambda: bool(other.execute(waiting).fetchall()), engine)
            (pid,) = server.status().pids
            for process in (psutil.Process(pid), *psutil.Process(pid).children()):
                process.kill()
        until(lambda: sum(each.lag for each in engine.status().partitions) == 12, engine)
        server.up()
        until(lambda: ground.applied(orders.MODEL) == 12, engine)
    assert sorted(str(order_id) for (order_id,) in ground.rows("public.witness", "order_id")) == sorted(there)
