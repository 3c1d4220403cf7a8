"""Read models at work on a real broker and a real database."""

import json
from collections.abc import Callable
from contextlib import closing
from itertools import islice

import pytest
from confluent_kafka import Consumer, TopicPartition
from psycopg.sql import SQL

from ops.stack import Addresses
from projections import database
from projections.engine import service_of
from projections.models import inventory, orders
from projections.store import Store
from schemas.inventory import InventoryReserved, StockLine
from schemas.orders import OrderConfirmed, OrderCreated, OrderStatusChanged, StatusAfter, StatusBefore
from schemas.topics import ORDERS_EVENTS
from streams.kafka.topics import group_of
from streams.kafka.wire import DEAD_LETTER
from tests.projections.ground import Ground
from tests.projections.histories import MILLIS
from tests.projections.test_models import CREATED, moved
from tests.streams.kafka.engines import active, failure_of, running, until
from tests.streams.kafka.engines import orders as ids

pytestmark = pytest.mark.connected


@pytest.fixture
def ground(stack: Addresses, unique: str, dsn: str) -> Ground:
    ground = Ground(stack.kafka, unique, dsn)
    ground.make(orders.MODEL)
    return ground


def created(order_id: str, total: int = 500) -> OrderCreated:
    return CREATED.model_copy(update={"orderId": order_id, "total": total})


def confirmed(order_id: str) -> OrderConfirmed:
    return OrderConfirmed(
        orderId=order_id,
        customerId=order_id,
        confirmationNumber="ORD-00000001",
        total=500,
        currency="EUR",
        confirmedAt=MILLIS,
    )


def changed(order_id: str) -> OrderStatusChanged:
    return moved(1, StatusBefore.CREATED, StatusAfter.CONFIRMED).model_copy(update={"orderId": order_id})


def some(count: int, *partitions: int) -> list[str]:
    return [order_id for partition in partitions or range(4) for order_id in islice(ids(partition), count)]


def totals(ground: Ground) -> list[tuple[str, int]]:
    return [(str(order_id), total) for order_id, total in ground.rows("orders.orders", "order_id", "total")]


def seen(ground: Ground, count: int) -> Callable[[], bool]:
    return lambda: ground.applied(orders.MODEL) == count


def test_orders_become_rows_and_kafka_is_told_how_far(ground: Ground) -> None:
    there = some(3)
    for order_id in there:
        ground.broker.publish(created(order_id), confirmed(order_id), changed(order_id))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 36), engine)
        assert ground.rows("orders.orders", "order_id", "status") != []
        assert {status for (status,) in ground.rows("orders.orders", "status")} == {"CONFIRMED"}
        assert len(ground.rows("orders.order_items", "order_id")) == 12
        assert len(ground.rows("orders.order_status_history", "order_id")) == 12
        assert engine.status().recovered
        assert engine.counters.decided == 36
    with closing(
        Consumer({**ground.broker.client, "group.id": group_of(service_of(orders.MODEL), ground.environment)})
    ) as tool:
        places = tool.committed(
            [TopicPartition(ORDERS_EVENTS.name(ground.environment), n) for n in range(4)], timeout=20
        )
    assert [place.offset for place in places] == [9, 9, 9, 9]


def test_a_new_owner_goes_on_from_where_the_database_is(ground: Ground) -> None:
    first, second = some(1), some(2)
    ground.broker.publish(*map(created, first))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 4), engine)
    # Kafka's own offsets would skip what a restored backup has not seen.
    ground.ask(SQL("UPDATE orders.progress SET next_offset = 0 RETURNING 1"))
    ground.ask(SQL("DELETE FROM orders.orders RETURNING 1"))
    ground.broker.publish(*(created(order_id, 700) for order_id in second))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 12), engine)
    assert totals(ground) == sorted((order_id, 700) for order_id in second)


def test_two_share_the_partitions_and_each_record_is_applied_once(ground: Ground) -> None:
    one, other = ground.engine(orders.MODEL), ground.engine(orders.MODEL)
    with running(one, other):
        until(lambda: len(active(one)) == len(active(other)) == 2, one, other)
        ground.broker.publish(*map(created, some(5)))
        until(seen(ground, 20), one, other)
    assert one.counters.decided + other.counters.decided == 20


def test_who_lost_its_partitions_unawares_commits_nothing(ground: Ground) -> None:
    """Somebody takes the partitions behind its back, as after a pause; it begins again from what the database says."""
    engine = ground.engine(orders.MODEL)
    with running(engine), closing(Store(ground.dsn, orders.MODEL)) as other:
        until(lambda: len(active(engine)) == 4, engine)
        [(topic_id, _)] = set(ground.rows("orders.progress", "topic_id", "generation"))
        for number in range(4):
            other.take(ORDERS_EVENTS.name(ground.environment), number, topic_id)
        ground.broker.publish(*map(created, some(1)))
        until(seen(ground, 4), engine)
        assert engine.counters.fences > 0
    assert len(totals(ground)) == 4


def test_what_cannot_be_read_or_applied_is_a_dead_letter_and_the_rest_goes_on(ground: Ground) -> None:
    good, topic = some(30, 0), ORDERS_EVENTS
    for order_id in good[:20]:
        ground.broker.publish(created(order_id))
    odd = created(good[20]).model_copy(update={"items": CREATED.items * 2})
    nul = changed(good[21]).model_copy(update={"changeReason": "a\0b"})
    ground.broker.publish(odd, nul)
    ground.broker.put(topic, b"nonsense", good[22].encode(), headers={"x": b"1"})
    ground.broker.put(topic, ground.broker.codec.encode(created(good[23])), good[24].encode(), partition=0)
    ground.broker.put(topic, ground.broker.codec.encode(created(good[24])), good[24].encode(), partition=1)
    ground.broker.put(topic, None, good[25].encode())
    for order_id in good[25:]:
        ground.broker.publish(created(order_id))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 31), engine)
    assert [order_id for order_id, _ in totals(ground)] == sorted(good[:20] + good[25:])
    letters = ground.dead_letters(orders.MODEL)
    causes = {
        letter.headers[f"{DEAD_LETTER}offset"]: letter.headers[f"{DEAD_LETTER}cause"]
        for letter in letters
        if letter.partition == 0
    }
    assert len(letters) == 5
    assert b"several items of one product" in (causes[b"20"] or b"")
    assert b"22021" in (causes[b"21"] or b"")
    assert b"wrong magic byte" in (causes[b"22"] or b"")
    assert b"they must be the same" in (causes[b"23"] or b"")
    [nonsense] = [letter for letter in letters if letter.value == b"nonsense"]
    assert nonsense.headers["x"] == b"1"
    assert nonsense.headers[f"{DEAD_LETTER}service"] == b"orders-projection"
    assert engine.counters.dead_letters["does not match the contract"] == 3


def test_a_copy_of_its_own_topic_is_not_applied_and_one_of_another_topic_is(ground: Ground) -> None:
    """`orderflow replay` marks what it copies."""
    first, second = some(2, 0)
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: len(active(engine)) == 4, engine)
        [(topic_id, _)] = set(ground.rows("orders.progress", "topic_id", "generation"))
        for order_id, origin in ((first, topic_id), (second, "of another topic")):
            mark = json.dumps({"topic": "orders", "topicId": origin, "partition": 0, "offset": 0, "run": "r"})
            value = ground.broker.codec.encode(created(order_id))
            ground.broker.put(ORDERS_EVENTS, value, order_id.encode(), headers={"ce_replay": mark.encode()})
        ground.broker.put(ORDERS_EVENTS, value, order_id.encode(), headers={"ce_replay": b"{}"})
        ground.broker.flush()
        until(seen(ground, 3), engine)
        assert engine.counters.repeats == 1
    assert [order_id for order_id, _ in totals(ground)] == [second]
    assert len(ground.dead_letters(orders.MODEL)) == 1


def test_a_full_disk_is_waited_out_and_lag_is_shown(ground: Ground) -> None:
    engine = ground.engine(orders.MODEL)
    with running(engine), database.opened(ground.dsn) as connection:
        until(lambda: len(active(engine)) == 4, engine)
        connection.execute("""
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$
        """)
        connection.execute("CREATE TRIGGER full_disk BEFORE INSERT ON orders.orders EXECUTE FUNCTION full_disk()")
        ground.broker.publish(*map(created, some(2)))
        until(lambda: sum(each.lag for each in engine.status().partitions) == 8, engine)
        assert totals(ground) == []
        connection.execute("DROP TRIGGER full_disk ON orders.orders")
        until(seen(ground, 8), engine)
        until(lambda: sum(each.lag for each in engine.status().partitions) == 0, engine)
    assert len(totals(ground)) == 8
    assert ground.dead_letters(orders.MODEL) == []


def test_a_connection_that_is_cut_while_a_batch_waits_loses_nothing(ground: Ground) -> None:
    engine = ground.engine(orders.MODEL)
    with running(engine), database.opened(ground.dsn) as connection:
        until(lambda: len(active(engine)) == 4, engine)
        with connection.transaction():
            connection.execute("LOCK TABLE orders.orders IN ACCESS EXCLUSIVE MODE")
            ground.broker.publish(*map(created, some(2)))
            blocked = SQL(
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            until(lambda: bool(ground.ask(blocked)), engine)
            connection.execute("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE wait_event_type = 'Lock' AND datname = current_database()
            """)
        until(seen(ground, 8), engine)
    assert len(totals(ground)) == 8


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(ground: Ground) -> None:
    first, second = some(2, 0)
    ground.broker.publish(created(first), created(first), created(first), created(second))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 4), engine)
    ground.broker.delete_topic(ORDERS_EVENTS.name(ground.environment))
    ground.make(orders.MODEL)
    ground.broker.publish(created(first, 700))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 1), engine)
    assert totals(ground) == sorted([(first, 700), (second, 500)])


def test_a_topic_that_is_shorter_than_what_was_applied_stops_it(ground: Ground) -> None:
    ground.broker.publish(*map(created, some(1)))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 4), engine)
    ground.ask(SQL("UPDATE orders.progress SET next_offset = 100 RETURNING 1"))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        assert "ends at 1, but orders has rows of records up to 100" in failure_of(engine)


def test_a_reservation_hears_of_its_order_from_another_topic_in_either_order(
    stack: Addresses, unique: str, dsn: str
) -> None:
    ground = Ground(stack.kafka, unique, dsn)
    ground.make(inventory.MODEL)
    early, late = some(2, 1)
    engine = ground.engine(inventory.MODEL)

    def reserved(order_id: str) -> InventoryReserved:
        return InventoryReserved(
            reservationId=order_id,
            orderId=order_id,
            items=(StockLine(productId=order_id, quantity=1),),
            reservedAt=MILLIS,
        )

    with running(engine):
        ground.broker.publish(confirmed(early), reserved(late))
        until(lambda: ground.applied(inventory.MODEL) == 2, engine)
        ground.broker.publish(reserved(early), confirmed(late))
        until(lambda: ground.applied(inventory.MODEL) == 4, engine)
    assert ground.rows("inventory.reservations", "status") == [("CONFIRMED",), ("CONFIRMED",)]
