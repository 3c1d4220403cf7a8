"""Read models rebuilt on a real broker and a real database, beside the one that serves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from ops.reading import Reader
from ops.rebuilding import Topics
from ops.stack import Addresses
from projections import database
from projections.folds.catalogue import MODELS as FOLDS
from projections.models import MODELS
from projections.models.model import ReadModel
from projections.rebuild.run import Report, rebuild
from projections.rebuild.site import Log, Site
from streams.codec import Codec
from tests.projections.ground import Ground
from tests.projections.ledger import Ledger
from tests.streams.kafka.engines import running, until

pytestmark = pytest.mark.connected


@pytest.fixture
def ground(stack: Addresses, unique: str, dsn: str) -> Ground:
    return Ground(stack.kafka, unique, dsn)


def site_of(ground: Ground, model: ReadModel) -> Site:
    @contextmanager
    def opened() -> Iterator[tuple[Log, Codec]]:
        with Reader(ground.broker.client, ground.broker.codec) as reader:
            yield Topics(reader), ground.broker.codec

    return Site(ground.dsn, model, opened)


def rebuilt(ground: Ground, model: ReadModel, **wish: Any) -> Report:
    return rebuild(site_of(ground, model), lambda _done, _total: None, lambda _line: None, **wish)


def contents(ground: Ground, schema: str, model: ReadModel) -> dict[str, list[Any]]:
    statement = "SELECT ROW(t.*)::text FROM {} AS t ORDER BY 1"
    return {table.name: ground.ask(SQL(statement).format(Identifier(schema, table.name))) for table in model.tables}


def shape(ground: Ground, schema: str) -> list[Any]:
    """Columns, constraints and indexes."""
    where = Identifier(schema)
    with database.opened(ground.dsn) as connection, connection.transaction():
        connection.execute(SQL("SET LOCAL search_path TO {}").format(where))
        return connection.execute(
            """
            SELECT relname, attname, atttypid::regtype::text, attnotnull, attgenerated
            FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
            WHERE relnamespace = current_schema()::regnamespace AND attnum > 0
            UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated, ''
            FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
            UNION ALL SELECT tablename, indexname, replace(indexdef, current_schema() || '.', ''), true, ''
            FROM pg_indexes WHERE schemaname = current_schema()
            ORDER BY 1, 2, 3
            """
        ).fetchall()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_what_is_rebuilt_is_what_was_there_and_serves_in_its_place(
    ground: Ground, connection: Connection, model: ReadModel
) -> None:
    ground.make(model)
    with Reader(ground.broker.client, ground.broker.codec) as reader:
        log = Ledger(ground.broker, reader, connection, FOLDS[model.name])
        log.live()
        ends = sum(end for _, end in reader.bounds(log.parts).values())
    engine = ground.engine(model)
    with running(engine):
        until(lambda: ground.applied(model) == ends, engine)
    before, made = contents(ground, model.name, model), shape(ground, model.name)
    [oid] = ground.ask(SQL("SELECT {}::regnamespace::oid").format(model.name))
    report = rebuilt(ground, model)
    assert (report.swapped, report.differing, report.differences) == (True, 0, [])
    assert (report.rows, report.records) == (sum(map(len, before.values())), ends)
    assert report.rows > 50
    assert contents(ground, model.name, model) == before
    assert shape(ground, model.name) == made
    assert contents(ground, f"{model.name}_previous", model) == before
    assert ground.ask(SQL("SELECT {}::regnamespace::oid").format(f"{model.name}_previous")) == [oid]
