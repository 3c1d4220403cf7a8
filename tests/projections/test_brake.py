"""Where PostgreSQL refuses: a record that is to blame alone is buried, and a table that is to blame is waited for."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from ops.stack import Addresses
from projections import database
from projections.brake import FEWEST_JUDGED, MOST_IN_A_ROW, Brake
from projections.database import DatabaseAwayError
from projections.models import orders
from projections.store import Store
from streams.kafka.status import Engine
from tests.projections.ground import Ground
from tests.projections.test_projector import created, some, totals
from tests.projections.test_store import batch
from tests.streams.kafka.engines import active, running, until

WRONG = "ALTER TABLE orders.orders ADD CONSTRAINT wrong CHECK (total <> 666) NOT VALID"
MENDED = "ALTER TABLE orders.orders DROP CONSTRAINT wrong"
TABLE_IS_AWAY = "ALTER TABLE orders.order_items RENAME TO elsewhere"
TABLE_IS_BACK = "ALTER TABLE orders.elsewhere RENAME TO order_items"
COLUMN_IS_AWAY = "ALTER TABLE orders.orders RENAME COLUMN currency TO elsewhere"
COLUMN_IS_BACK = "ALTER TABLE orders.orders RENAME COLUMN elsewhere TO currency"


@pytest.fixture
def ground(stack: Addresses, unique: str, dsn: str) -> Ground:
    ground = Ground(stack.kafka, unique, dsn)
    ground.make(orders.MODEL)
    return ground


def run(ground: Ground, statement: str) -> None:
    with database.opened(ground.dsn) as connection:
        connection.execute(SQL(statement))


def lag(engine: Engine) -> int:
    return sum(each.lag for each in engine.status().partitions)


def test_a_score_in_a_row_may_be_to_blame_and_one_more_may_not() -> None:
    brake = Brake(2, 0)
    assert [brake.refuse() for _ in range(MOST_IN_A_ROW + 1)] == [False] * MOST_IN_A_ROW + [True]


def test_who_was_refused_at_the_end_of_the_batch_before_counts_until_one_is_taken() -> None:
    assert Brake(1, MOST_IN_A_ROW).refuse()
    brake = Brake(2, MOST_IN_A_ROW)
    brake.take()
    assert not brake.refuse()


def test_half_of_many_may_be_to_blame_and_one_more_may_not() -> None:
    brake = Brake(FEWEST_JUDGED, 0)
    for _ in range(FEWEST_JUDGED // 2):
        assert not brake.refuse()
        brake.take()
    assert brake.refuse()


def test_all_of_a_few_may_be_to_blame() -> None:
    brake = Brake(FEWEST_JUDGED - 1, 0)
    assert not any(brake.refuse() for _ in range(FEWEST_JUDGED - 1))


@pytest.mark.connected
def test_a_wrong_check_buries_nothing_and_what_waited_is_applied_once_it_is_mended(ground: Ground) -> None:
    there = some(MOST_IN_A_ROW + 10, 0)
    run(ground, WRONG)
    ground.broker.publish(*(created(order_id, 666) for order_id in there))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: engine.counters.brakes > 1 and lag(engine) == len(there), engine)
        assert (totals(ground), ground.dead_letters(orders.MODEL)) == ([], [])
        run(ground, MENDED)
        until(lambda: ground.applied(orders.MODEL) == len(there), engine)
    assert engine.counters.decided == len(there)
    assert ground.dead_letters(orders.MODEL) == []
    assert ground.verdict(orders.MODEL).differing == 0


@pytest.mark.connected
def test_a_check_that_refuses_most_of_a_batch_buries_nothing(ground: Ground) -> None:
    there = some(60, 0)
    run(ground, WRONG)
    ground.broker.publish(*(created(order_id, 666 if number % 3 else 1) for number, order_id in enumerate(there)))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: engine.counters.brakes > 0, engine)
        assert (totals(ground), ground.dead_letters(orders.MODEL)) == ([], [])
        run(ground, MENDED)
        until(lambda: ground.applied(orders.MODEL) == len(there), engine)
    assert ground.dead_letters(orders.MODEL) == []
    assert ground.verdict(orders.MODEL).differing == 0


@pytest.mark.connected
def test_of_records_that_come_one_by_one_a_score_is_buried_and_comes_back_when_it_is_filled_anew(
    ground: Ground,
) -> None:
    there = some(MOST_IN_A_ROW + 1, 0)
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: len(active(engine)) == 4, engine)
        run(ground, WRONG)
        for number, order_id in enumerate(there[:-1], start=1):
            ground.broker.publish(created(order_id, 666))
            until(lambda number=number: ground.applied(orders.MODEL) == number, engine)  # type: ignore[misc]
        ground.broker.publish(created(there[-1], 666))
        until(lambda: engine.counters.brakes > 0, engine)
        assert len(ground.dead_letters(orders.MODEL)) == MOST_IN_A_ROW
        run(ground, MENDED)
        until(lambda: ground.applied(orders.MODEL) == len(there), engine)
    assert totals(ground) == [(there[-1], 666)]
    assert len(ground.verdict(orders.MODEL).refused) == MOST_IN_A_ROW
    run(ground, "DROP SCHEMA orders CASCADE")
    ground.make(orders.MODEL)
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: ground.applied(orders.MODEL) == len(there), engine)
    assert totals(ground) == sorted((order_id, 666) for order_id in there)
    found = ground.verdict(orders.MODEL)
    assert (found.differing, found.refused, found.dead_letters) == (0, (), 0)


@pytest.mark.connected
def test_some_that_are_to_blame_themselves_are_buried_and_the_rest_of_their_batch_is_applied(ground: Ground) -> None:
    there = some(60, 0)
    bad = {*there[5:20], *there[40:50]}
    run(ground, WRONG)
    ground.broker.publish(*(created(order_id, 666 if order_id in bad else 1) for order_id in there))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: ground.applied(orders.MODEL) == len(there), engine)
    assert engine.counters.brakes == 0
    assert engine.counters.decided == len(there) - len(bad)
    assert totals(ground) == sorted((order_id, 1) for order_id in there if order_id not in bad)
    assert {(letter.key or b"").decode() for letter in ground.dead_letters(orders.MODEL)} == bad
    assert ground.verdict(orders.MODEL).differing == 0


@pytest.mark.connected
def test_a_thousand_records_that_nobody_can_read_are_buried_without_a_brake(ground: Ground) -> None:
    bad, good = some(1_000, 0), some(1, 1)
    for order_id in bad:
        ground.broker.put(orders.MODEL.topics[0], b"nonsense", order_id.encode())
    ground.broker.publish(*map(created, good))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: ground.applied(orders.MODEL) == 1_001, engine)
    assert engine.counters.brakes == 0
    assert len(ground.dead_letters(orders.MODEL)) == 1_000
    assert ground.verdict(orders.MODEL).differing == 0


@pytest.mark.connected
@pytest.mark.parametrize(
    ("wrong", "mended"),
    [(TABLE_IS_AWAY, TABLE_IS_BACK), (COLUMN_IS_AWAY, COLUMN_IS_BACK)],
    ids=["table", "column"],
)
def test_not_even_one_record_is_buried_where_a_table_is_not_as_it_has_to_be(
    ground: Ground, wrong: str, mended: str
) -> None:
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: len(active(engine)) == 4, engine)
        run(ground, wrong)
        ground.broker.publish(*map(created, some(1)))
        until(lambda: lag(engine) == 4, engine)
        run(ground, mended)
        until(lambda: ground.applied(orders.MODEL) == 4, engine)
    assert ground.dead_letters(orders.MODEL) == []
    assert ground.verdict(orders.MODEL).differing == 0


@contextmanager
def role(ground: Ground, name: str) -> Iterator[str]:
    """One that may do nothing with a table yet."""
    with database.opened(ground.dsn) as connection:
        named = Identifier(name)
        connection.execute(SQL("CREATE ROLE {} LOGIN").format(named))
        try:
            connection.execute(SQL("GRANT USAGE ON SCHEMA orders TO {}").format(named))
            connection.execute(SQL("GRANT ALL ON orders.progress TO {}").format(named))
            yield make_conninfo(ground.dsn, user=name)
        finally:
            connection.execute(SQL("DROP OWNED BY {}").format(named))
            connection.execute(SQL("DROP ROLE {}").format(named))


@pytest.mark.connected
def test_a_right_that_is_missing_is_not_the_records_fault(ground: Ground, unique: str) -> None:
    with role(ground, unique) as dsn, closing(Store(dsn, orders.MODEL)) as store:
        owned = store.take("topic", 0, "a")
        with pytest.raises(DatabaseAwayError, match="42501"):
            store.write(owned, batch(orders.MODEL, created(some(1, 0)[0])), 1)
