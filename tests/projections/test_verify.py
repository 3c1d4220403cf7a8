"""Tables held against a real log: what is right passes, whatever is wrong is found and explained."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from psycopg import Connection

from ops.reading import Reader, unseen
from ops.stack import Addresses
from ops.verification import opening
from projections import database
from projections.folds.catalogue import MODELS
from projections.folds.fold import Model
from projections.verify import Log, Mark, Verdict, VerifyError, verify
from schemas.examples import example_of
from schemas.orders import OrderCancelled, OrderCreated
from schemas.topics import ORDERS_EVENTS, PARTITIONS
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.kafka.topics import dead_letters_of
from streams.kafka.wire import DEAD_LETTER
from streams.partitioner import partition_of
from streams.replay import MARK
from tests.projections.folds.shop import morning
from tests.projections.ledger import Ledger
from tests.streams.kafka.engines import Ground
from tests.topics import make

pytestmark = pytest.mark.connected

ORDERS = MODELS["orders"]


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    return Ground(stack.kafka, unique)


@pytest.fixture
def reader(ground: Ground) -> Iterator[Reader]:
    with Reader(ground.client, ground.codec) as reader:
        yield reader


@pytest.fixture
def keep(ground: Ground, reader: Reader, connection: Connection) -> Callable[[Model], Ledger]:
    def kept(model: Model) -> Ledger:
        ledger = Ledger(ground, reader, connection, model)
        ledger.open()
        ledger.live()
        ledger.fill()
        return ledger

    return kept


def verdict(ledger: Ledger, dsn: str, *, records_at_once: int = 100_000) -> Verdict:
    opened = opening(ledger.reader, ledger.model.name, ledger.ground.environment, unseen)
    with database.opened(dsn) as connection:
        return verify(connection, ledger.model, opened, records_at_once=records_at_once)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_tables_that_are_right_pass_whole_or_range_by_range(
    keep: Callable[[Model], Ledger], dsn: str, model: Model
) -> None:
    ledger = keep(model)
    whole = verdict(ledger, dsn)
    assert (whole.differing, whole.differences, whole.ranges) == (0, (), 1)
    assert whole.rows == len(ledger.rows(ledger.said())) > 50
    ranged = verdict(ledger, dsn, records_at_once=-(-whole.records // 5))
    assert (ranged.differing, ranged.ranges, ranged.rows) == (0, 5, whole.rows)


def test_a_row_that_missed_an_event_is_found_with_the_event_that_it_missed(
    keep: Callable[[Model], Ledger], dsn: str
) -> None:
    ledger = keep(ORDERS)
    told = [(place, message) for place, message in ledger.said() if isinstance(message, OrderCancelled)]
    place, cancelled = told[0]
    mine = [each for each in ledger.said() if getattr(each[1], "orderId", None) == cancelled.orderId]
    before = ledger.rows(each for each in mine if each[0].offset < place.offset)
    ledger.forget(cancelled.orderId)
    for row in before:
        ledger.insert(row)
    found = verdict(ledger, dsn)
    (order,) = [each for each in found.differences if each.table == "orders"]
    assert order.key == (cancelled.orderId,)
    assert str(order.behind) == f"OrderCancelled {place}"
    assert order.columns["cancellation_reason"] == (cancelled.reason.value, None)
    assert order.events[-1].message == type(mine[-1][1]).__name__


def test_a_column_that_no_event_made_so_is_named_with_the_event_that_says_otherwise(
    keep: Callable[[Model], Ledger], dsn: str
) -> None:
    ledger = keep(ORDERS)
    place, created = next(each for each in ledger.said() if isinstance(each[1], OrderCreated))
    assert isinstance(created, OrderCreated)
    ledger.change("UPDATE orders SET total = total + 1 WHERE order_id = %(id)s", {"id": created.orderId})
    found = verdict(ledger, dsn)
    (difference,) = found.differences
    assert found.differing == 1
    assert difference.columns == {"total": (created.total, created.total + 1)}
    assert str(difference.since["total"]) == f"OrderCreated {place}"
    assert difference.behind is None


def test_rows_that_are_missing_and_rows_that_nobody_spoke_of_are_found(
    keep: Callable[[Model], Ledger], dsn: str
) -> None:
    ledger = keep(ORDERS)
    one = next(message for _, message in ledger.said() if isinstance(message, OrderCreated))
    stranger = example_of(OrderCreated).orderId
    assert ledger.change("DELETE FROM order_items WHERE order_id = %(id)s", {"id": one.orderId}) == len(one.items)
    ledger.change(
        "INSERT INTO orders (order_id, changed_at, version) VALUES (%(id)s, now(), 7)",
        {"id": stranger},
    )
    found = verdict(ledger, dsn)
    assert found.differing == len(one.items) + 1
    assert {each.key[0] for each in found.differences if each.missing} == {one.orderId}
    assert [each.key for each in found.differences if each.surplus] == [(stranger,)]


def test_what_comes_while_it_is_verified_is_neither_read_nor_seen(keep: Callable[[Model], Ledger], dsn: str) -> None:
    ledger = keep(ORDERS)
    opened = opening(ledger.reader, "orders", ledger.ground.environment, unseen)

    def meanwhile(marks: Sequence[Mark]) -> Log:
        """The snapshot is taken; others go on."""
        ledger.ground.publish(example_of(OrderCreated))
        ledger.clear()
        return opened(marks)

    with database.opened(dsn) as connection:
        assert verify(connection, ORDERS, meanwhile).differing == 0


def test_a_model_that_is_swapped_meanwhile_is_not_judged(keep: Callable[[Model], Ledger], dsn: str) -> None:
    ledger = keep(ORDERS)
    opened = opening(ledger.reader, "orders", ledger.ground.environment, unseen)

    def swapped(marks: Sequence[Mark]) -> Log:
        ledger.change("ALTER SCHEMA orders RENAME TO orders_previous")
        Ledger(ledger.ground, ledger.reader, ledger.connection, ORDERS)
        return opened(marks)

    with database.opened(dsn) as connection, pytest.raises(VerifyError, match="swapped"):
        verify(connection, ORDERS, swapped)


def test_records_that_were_never_applied_are_counted_and_missed_if_they_could_be_now(
    keep: Callable[[Model], Ledger], dsn: str
) -> None:
    ledger = keep(ORDERS)
    ground, name = ledger.ground, ORDERS_EVENTS.name(ledger.ground.environment)
    created = example_of(OrderCreated)
    value, key = ground.codec.encode(created), created.orderId.encode()
    partition = partition_of(key, PARTITIONS)
    end = ledger.reader.bounds(ledger.parts)[ledger.parts[partition]][1]
    dead_letters = dead_letters_of("orders-projection", ground.environment)
    make(ground.client["bootstrap.servers"], dead_letters, partitions=PARTITIONS)
    twice = created.model_copy(update={"items": created.items * 2})
    mark = {"topicId": ledger.reader.ids([name])[name], "topic": name, "partition": 0, "offset": 0, "run": "r"}

    ground.put(ORDERS_EVENTS, value, key)
    ground.put(ORDERS_EVENTS, ground.codec.encode(twice), key)
    for offset in (end, end + 1):
        told = {"topic": name, "partition": str(partition), "offset": str(offset), "cause": "a test"}
        ground.put(dead_letters, value, key, headers={DEAD_LETTER + each: text.encode() for each, text in told.items()})
    ground.put(ORDERS_EVENTS, value, key, headers={MARK: json.dumps(mark).encode()})
    ground.put(ORDERS_EVENTS, value, key, headers={MARK: b"{}"})
    ground.put(ORDERS_EVENTS, value, b"00000000-0000-0000-0000-000000000000", partition=partition)
    ground.put(ORDERS_EVENTS, b"no record", key)
    ground.flush()
    ledger.change("UPDATE progress SET next_offset = %(end)s WHERE partition = %(p)s", {"end": end + 6, "p": partition})

    found = verdict(ledger, dsn)
    # The first could be applied now: rows lack it. The second has two items of one product.
    assert {each.key[0] for each in found.differences if each.missing} == {created.orderId}
    assert (found.differing, found.dead_letters, found.undecodable) == (1 + len(created.items), 1, 2)
    assert found.refused == (f"{name}-{partition}@{end}",)


def test_how_far_it_is_rises_over_all_ranges_up_to_the_end(keep: Callable[[Model], Ledger], dsn: str) -> None:
    ledger, seen = keep(ORDERS), list[tuple[int, int]]()
    opened = opening(ledger.reader, "orders", ledger.ground.environment, lambda *each: seen.append(each))
    with database.opened(dsn) as connection:
        found = verify(connection, ORDERS, opened, records_at_once=50)
    assert found.ranges > 1
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {found.ranges * found.records}
    assert seen[-1] == (found.ranges * found.records,) * 2


def test_rows_of_a_topic_that_was_made_anew_are_not_judged_by_it(keep: Callable[[Model], Ledger], dsn: str) -> None:
    ledger = keep(ORDERS)
    ledger.change("UPDATE progress SET topic_id = 'another'")
    with pytest.raises(VerifyError, match="another topic than the one that was projected"):
        verdict(ledger, dsn)
    (name,) = {part.topic for part in ledger.parts}
    ids = ledger.reader.ids([name])
    ledger.change("UPDATE progress SET topic_id = %(id)s, generation = 1, next_offset = 0", {"id": ids[name]})
    found = verdict(ledger, dsn)
    assert (found.differing, found.older) == (0, found.rows)


def test_a_model_that_nothing_was_projected_into_says_so(
    ground: Ground, reader: Reader, connection: Connection, dsn: str
) -> None:
    ledger = Ledger(ground, reader, connection, ORDERS)
    with pytest.raises(VerifyError, match="nothing was ever projected into orders"):
        verdict(ledger, dsn)


def test_a_model_without_tables_says_what_makes_them(reader: Reader, dsn: str) -> None:
    opened = opening(reader, "orders", "dev", unseen)
    with database.opened(dsn) as connection, pytest.raises(database.DatabaseError, match="orderflow database migrate"):
        verify(connection, ORDERS, opened)


def test_the_morning_has_what_these_tests_need() -> None:
    assert any(isinstance(message, OrderCancelled) for message in morning(0).messages(ORDERS_EVENTS))


def test_the_command_prints_what_differs_and_exits_with_one(
    stack: Addresses, ground: Ground, connection: Connection, dsn: str
) -> None:
    with closing(ConfluentRegistry({"url": stack.registry}, registers=True)) as registry:
        ground.codec = Codec(registry, ground.environment)
        with Reader(ground.client, ground.codec) as own:
            ledger = Ledger(ground, own, connection, ORDERS)
            ledger.open()
            ledger.live()
            ledger.fill()
            order_id = next(message.orderId for _, message in ledger.said() if isinstance(message, OrderCreated))
    fine = orderflow(stack, ground, dsn)
    assert (fine.returncode, fine.stdout) == (0, ""), fine
    assert ", 0 differ" in fine.stderr
    ledger.change("UPDATE orders SET total = 1 WHERE order_id = %(id)s", {"id": order_id})
    wrong = orderflow(stack, ground, dsn)
    assert wrong.returncode == 1
    assert wrong.stdout.startswith(f"orders.orders {order_id} differs\n  total is 1, should be ")
    assert "1 rows are not what their events make of them" in wrong.stderr
    (told,) = json.loads(orderflow(stack, ground, dsn, "--json").stdout)
    assert (told["model"], told["differing"]) == ("orders", 1)


def orderflow(stack: Addresses, ground: Ground, dsn: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("orderflow")), "projection", "verify", "orders", *more]
    settings = {
        "ORDERFLOW_KAFKA_BOOTSTRAP": stack.kafka,
        "ORDERFLOW_REGISTRY_URL": stack.registry,
        "ORDERFLOW_POSTGRES_DSN": dsn,
        "ORDERFLOW_ENVIRONMENT": ground.environment,
    }
    return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False)
