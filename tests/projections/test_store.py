import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from projections import database, migrations
from projections.database import DatabaseAwayError
from projections.models import MODELS, checkouts, orders
from projections.models.model import Columns, Place, ReadModel, Rows, Table, Type
from projections.store import FencedError, Store, UnwritableError
from schemas.checkout import CheckoutFailed, CheckoutFailureReason, CheckoutStep
from schemas.orders import StatusAfter, StatusBefore
from schemas.types import TIMESTAMP_MAX
from tests.projections.histories import IDS, Tables, histories, rows_of, split
from tests.projections.test_models import CREATED, moved

pytestmark = pytest.mark.connected

TOPIC = "orders.e.events"


@pytest.fixture
def migrated(dsn: str) -> str:
    with database.opened(dsn) as connection:
        for schema in migrations.schemas():
            migrations.migrate(connection, schema, migrations.of(schema))
    return dsn


@pytest.fixture
def store(migrated: str) -> Iterator[Store]:
    with closing(Store(migrated, orders.MODEL)) as store:
        yield store


def batch(model: ReadModel, *messages: Any, first: int = 0, generation: int = 0) -> Rows:
    rows = Rows(model, generation)
    for offset, message in enumerate(messages, start=first):
        rows.add(model.changes(message, Place(0, offset, 1_800_000_000_000)), offset)
    return rows


def table_of(connection: Connection, schema: str, table: Table) -> dict[Any, Columns]:
    """Every row by its key, with the columns that are written, as they travel."""
    found = connection.cursor(row_factory=dict_row).execute(
        SQL("SELECT * FROM {}").format(Identifier(schema, table.name))
    )
    rows = [{name: _travelling(row[name], kind) for name, kind in table.columns.items()} for row in found]
    return {(table.name, tuple(row[name] for name in table.key)): row for row in rows}


def _travelling(value: Any, kind: Type) -> Any:
    if isinstance(value, datetime):
        whole = int(value.replace(microsecond=0).timestamp())
        return whole * 1000 + value.microsecond // 1000
    if kind == "text[]" and value is not None:
        return tuple(value)
    return value if value is None or isinstance(value, int | list) else str(value)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@given(data=st.data(), cuts=st.lists(st.integers(0, 100), max_size=3))
@settings(
    max_examples=20,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_postgresql_merges_as_we_do(
    migrated: str, connection: Connection, model: ReadModel, data: st.DataObject, cuts: list[int]
) -> None:
    history = data.draw(histories(model))
    expected = Tables()
    with closing(Store(migrated, model)) as store:
        for table in (*model.tables, Table("progress", (), {})):
            connection.execute(SQL("TRUNCATE {}").format(Identifier(model.name, table.name)))
        owned = store.take("topic", 2, "id")
        for part in split(history, cuts):
            expected.write(rows_of(model, part))
            store.write(owned, rows_of(model, part), part[-1].place.offset + 1)
    found = {key: row for table in model.tables for key, row in table_of(connection, model.name, table).items()}
    assert found == {key: _as_read(row) for key, row in expected.rows.items()}


def _as_read(row: Columns) -> Columns:
    """A text is a text, whatever it was a member of."""
    return {name: str(value) if isinstance(value, str) else value for name, value in row.items()}


def progress(connection: Connection) -> tuple[Any, ...]:
    [row] = connection.execute("SELECT next_offset, epoch, generation FROM orders.progress")
    return tuple(row)


def orders_there(connection: Connection) -> int:
    [[count]] = connection.execute("SELECT count(*) FROM orders.orders")
    return int(count)


def test_rows_and_progress_are_one_transaction(store: Store, connection: Connection) -> None:
    owned = store.take(TOPIC, 0, "a")
    assert (owned.next_offset, owned.epoch, owned.generation) == (0, 1, 0)
    assert store.write(owned, batch(orders.MODEL, CREATED), 7) == 2
    assert progress(connection) == (7, 1, 0)
    assert orders_there(connection) == 1
    assert store.take(TOPIC, 0, "a").next_offset == 7


def test_who_takes_a_partition_fences_whoever_had_it(store: Store, migrated: str, connection: Connection) -> None:
    old = store.take(TOPIC, 0, "a")
    with closing(Store(migrated, orders.MODEL)) as other:
        new = other.take(TOPIC, 0, "a")
        with pytest.raises(FencedError, match=r"orders\.e\.events\[0\] is not at 0 in our epoch 1 any more"):
            store.write(old, batch(orders.MODEL, CREATED), 1)
        assert orders_there(connection) == 0
        other.write(new, batch(orders.MODEL, CREATED), 1)
    assert progress(connection) == (1, 2, 0)


def test_a_batch_that_is_committed_twice_is_fenced_by_its_own_offset(store: Store, connection: Connection) -> None:
    owned = store.take(TOPIC, 0, "a")
    store.write(owned, batch(orders.MODEL, CREATED), 1)
    owned.next_offset = 0
    with pytest.raises(FencedError):
        store.write(owned, batch(orders.MODEL, CREATED), 1)
    assert progress(connection) == (1, 1, 0)


def test_who_takes_a_partition_waits_for_the_transaction_that_is_under_way(
    store: Store, migrated: str, connection: Connection
) -> None:
    """And then finds what it has written, so nothing is applied twice."""
    store.take(TOPIC, 0, "a")
    found = []
    with closing(Store(migrated, orders.MODEL)) as other:
        taking = threading.Thread(target=lambda: found.append(other.take(TOPIC, 0, "a").next_offset))
        with connection.transaction():
            connection.execute("UPDATE orders.progress SET next_offset = 5")
            taking.start()
            taking.join(0.3)
            assert found == []
        taking.join(10)
    assert found == [5]


def test_a_topic_that_was_made_anew_is_read_from_its_beginning_and_outranks_the_old_one(
    store: Store, connection: Connection
) -> None:
    store.write(store.take(TOPIC, 0, "a"), batch(orders.MODEL, CREATED, first=1_000), 1_001)
    owned = store.take(TOPIC, 0, "b")
    assert (owned.next_offset, owned.generation) == (0, 1)
    again = CREATED.model_copy(update={"total": 700})
    store.write(owned, batch(orders.MODEL, again, generation=owned.generation), 1)
    assert connection.execute("SELECT total FROM orders.orders").fetchall() == [(700,)]


def test_an_older_event_never_changes_a_row(store: Store, connection: Connection) -> None:
    owned = store.take(TOPIC, 0, "a")
    store.write(owned, batch(orders.MODEL, CREATED, first=10), 11)
    store.write(owned, batch(orders.MODEL, CREATED.model_copy(update={"total": 1}), first=5), 12)
    assert connection.execute("SELECT total FROM orders.orders").fetchall() == [(500,)]


@pytest.mark.parametrize(
    "message",
    [
        CREATED.model_copy(update={"customerId": "nobody"}),
        CREATED.model_copy(update={"total": -1}),
        moved(1, StatusBefore.CREATED, StatusAfter.CONFIRMED).model_copy(update={"newStatus": "LOST"}),
        moved(1, StatusBefore.CREATED, StatusAfter.CONFIRMED).model_copy(update={"changeReason": "a\0b"}),
    ],
)
def test_what_postgresql_never_takes_is_the_records_fault(store: Store, connection: Connection, message: Any) -> None:
    owned = store.take(TOPIC, 0, "a")
    with pytest.raises(UnwritableError, match=r"^orders: 2[23]"):
        store.write(owned, batch(orders.MODEL, message), 1)
    assert progress(connection) == (0, 1, 0)
    assert store.write(owned, batch(orders.MODEL, CREATED), 1) == 2


def test_what_is_the_servers_fault_may_be_repeated(store: Store, connection: Connection) -> None:
    """A trigger raises what PostgreSQL does when its disk is full: at COPY and at the merge it's the same error."""
    owned = store.take(TOPIC, 0, "a")
    connection.execute("""
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$
    """)
    connection.execute("CREATE TRIGGER full_disk BEFORE INSERT ON orders.orders EXECUTE FUNCTION full_disk()")
    with pytest.raises(DatabaseAwayError, match="orders: 53100 DiskFull: could not extend file"):
        store.write(owned, batch(orders.MODEL, CREATED), 1)
    connection.execute("DROP TRIGGER full_disk ON orders.orders")
    assert store.write(owned, batch(orders.MODEL, CREATED), 1) == 2


def test_a_connection_that_broke_is_made_anew(store: Store, connection: Connection) -> None:
    owned = store.take(TOPIC, 0, "a")
    connection.execute("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND datname = current_database()
    """)
    with pytest.raises(DatabaseAwayError):
        store.write(owned, batch(orders.MODEL, CREATED), 1)
    assert store.write(owned, batch(orders.MODEL, CREATED), 1) == 2


def test_without_its_schema_it_is_not_the_record_that_is_to_blame(dsn: str) -> None:
    with closing(Store(dsn, orders.MODEL)) as store, pytest.raises(DatabaseAwayError, match="42P01"):
        store.take(TOPIC, 0, "a")


def test_the_last_moment_of_all_times_is_kept_to_the_milli(store: Store, connection: Connection) -> None:
    owned = store.take(TOPIC, 0, "a")
    store.write(owned, batch(orders.MODEL, CREATED.model_copy(update={"createdAt": TIMESTAMP_MAX})), 1)
    [[found]] = connection.execute("SELECT created_at FROM orders.orders")
    assert found == datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def test_texts_and_lists_arrive_as_they_were(migrated: str, connection: Connection) -> None:
    said = 'a\tb\\n"c"\nd\r\\N{}'
    failed = CheckoutFailed(
        checkoutId=IDS[0],
        cartId=IDS[0],
        customerId=IDS[0],
        step=CheckoutStep.CREATE_ORDER,
        reason=CheckoutFailureReason.ORDER_REJECTED,
        detail=said,
        compensated=(CheckoutStep.AUTHORIZE_PAYMENT, CheckoutStep.RESERVE_INVENTORY),
        failedAt=1,
    )
    with closing(Store(migrated, checkouts.MODEL)) as store:
        store.write(store.take("t", 0, "a"), batch(checkouts.MODEL, failed), 1)
    assert connection.execute("SELECT detail, compensated, status FROM checkouts.checkouts").fetchall() == [
        (said, ["AUTHORIZE_PAYMENT", "RESERVE_INVENTORY"], "FAILED")
    ]
