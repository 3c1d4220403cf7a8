"""Read models rebuilt on a real broker and a real database, beside the one that serves."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

import httpx
import pytest
from psycopg import Connection, IsolationLevel
from psycopg.sql import SQL, Identifier
from psycopg_pool import ConnectionPool

from ops.reading import Reader, unseen
from ops.stack import Addresses
from projections import database
from projections.api.app import Site, create
from projections.folds.catalogue import MODELS as FOLDS
from projections.models import MODELS, inventory, orders, payments
from projections.models.model import ReadModel
from projections.rebuild import crew, fill, run, swap
from projections.rebuild.compare import compare_all
from projections.rebuild.run import rebuild
from projections.rebuild.site import RebuildError
from projections.rebuild.swap import rollback
from schemas.payments import RefundRequested
from schemas.topics import ORDERS_EVENTS
from streams.confluent import ConfluentRegistry
from tests.projections.api.conftest import serving
from tests.projections.ground import Ground
from tests.projections.histories import MILLIS
from tests.projections.ledger import Ledger
from tests.projections.rebuilding import elsewhere, rebuilt, site_of
from tests.projections.test_projector import changed, created, seen, some, totals
from tests.streams.kafka.engines import active, running, until

pytestmark = pytest.mark.connected


@pytest.fixture
def ground(stack: Addresses, unique: str, dsn: str) -> Ground:
    return Ground(stack.kafka, unique, dsn)


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


def filled(ground: Ground, count: int = 5) -> list[str]:
    """Orders on all partitions, projected."""
    ground.make(orders.MODEL)
    there = some(count)
    ground.broker.publish(*(each for order_id in there for each in (created(order_id), changed(order_id))))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 8 * count), engine)
    return there


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, id=model.name, marks=() if model in (orders.MODEL, inventory.MODEL) else pytest.mark.proof)
        for model in MODELS
    ],
)
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
    report = rebuilt(site_of(ground, model))
    assert (report.swapped, report.differing, report.differences) == (True, 0, [])
    assert (report.rows, report.records) == (sum(map(len, before.values())), ends)
    assert report.rows > 50
    assert contents(ground, model.name, model) == before
    assert shape(ground, model.name) == made
    assert contents(ground, f"{model.name}_previous", model) == before
    assert ground.ask(SQL("SELECT {}::regnamespace::oid").format(f"{model.name}_previous")) == [oid]


def test_each_difference_is_named_and_stops_the_swap_until_it_is_accepted(ground: Ground) -> None:
    wrong, lost, *_ = filled(ground)
    ghost = some(7, 0)[-1]
    ground.ask(SQL("UPDATE orders.orders SET total = 1 WHERE order_id = {} RETURNING 1").format(wrong))
    ground.ask(SQL("DELETE FROM orders.order_status_history WHERE order_id = {} RETURNING 1").format(lost))
    ground.ask(
        SQL("INSERT INTO orders.orders (order_id, changed_at, version) VALUES ({}, now(), 9) RETURNING 1").format(ghost)
    )
    report = rebuilt(site_of(ground))
    assert (report.swapped, report.differing) == (False, 3)
    found = {(each.table, *each.key): each for each in report.differences}
    assert found["orders", wrong].columns == {"total": ("1", "500")}
    assert found["order_status_history", lost, "1"].only_rebuilt
    assert found["orders", ghost].only_live
    assert (wrong, 1) in totals(ground)
    report = rebuilt(site_of(ground), accept_differences=True)
    assert (report.swapped, report.differing, report.resumed, report.records) == (True, 3, True, 0)
    assert {total for _, total in totals(ground)} == {500}


def test_of_many_differences_some_are_shown_and_all_are_counted(ground: Ground) -> None:
    filled(ground, 10)
    ground.ask(SQL("UPDATE orders.orders SET total = 1 RETURNING 1"))
    report = rebuilt(site_of(ground))
    assert (report.differing, len(report.differences)) == (40, 20)


def test_a_difference_that_comes_while_the_rest_is_compared_stops_the_swap(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that came after the snapshot are compared while nothing is projected."""
    first, *_ = filled(ground)
    engine = ground.engine(orders.MODEL)

    def and_then(*arguments: Any) -> None:
        compare_all(*arguments)
        ground.broker.publish(created(first, 700))
        until(seen(ground, 41), engine)
        ground.ask(SQL("UPDATE orders.orders SET currency = 'USD' WHERE order_id = {} RETURNING 1").format(first))

    monkeypatch.setattr(run, "compare_all", and_then)
    with running(engine):
        report = rebuilt(site_of(ground))
    assert report.swapped is False
    assert [(each.key, dict(each.columns)) for each in report.differences] == [((first,), {"currency": ("USD", "EUR")})]
    assert ground.ask(SQL("SELECT to_regnamespace('orders_previous')")) == [(None,)]


def test_who_comes_right_after_another_waits_for_the_server_to_notice(ground: Ground) -> None:
    filled(ground, 1)
    site = site_of(ground)
    with site.alone() as before, ThreadPoolExecutor(1) as thread:
        after = thread.submit(rebuilt, site)
        waiting = SQL("""
            SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
            WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
        """)
        until(lambda: ground.ask(waiting) == [(1,)])
        before.close()
        assert after.result(30).swapped


def test_of_two_who_rebuild_one_is_refused(ground: Ground) -> None:
    filled(ground, 1)
    site = site_of(ground)
    with site.alone():
        with pytest.raises(RebuildError, match="somebody else rebuilds orders"):
            rebuilt(site)
        with pytest.raises(RebuildError, match="somebody else rebuilds orders"):
            rollback(site)
    assert rebuilt(site).swapped


def test_what_was_never_projected_is_not_rebuilt(ground: Ground) -> None:
    ground.make(orders.MODEL)
    with pytest.raises(RebuildError, match="nothing was ever projected into orders"):
        rebuilt(site_of(ground))
    with pytest.raises(RebuildError, match="there is no orders_previous to go back to"):
        rollback(site_of(ground))


def test_the_projector_goes_on_after_a_swap_as_if_nothing_had_been_and_after_a_rollback_from_the_old_offsets(
    ground: Ground,
) -> None:
    there = filled(ground, 2)
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(lambda: len(active(engine)) == 4, engine)
        ground.broker.publish(*(created(order_id, 600) for order_id in some(3)))
        until(seen(ground, 16 + 12), engine)
        assert rebuilt(site_of(ground)).swapped
        ground.broker.publish(*(created(order_id) for order_id in some(4)))
        until(seen(ground, 28 + 16), engine)
        assert engine.counters.fences == 0
        assert engine.counters.decided == 28
        now = totals(ground)
        rollback(site_of(ground))
        assert len(totals(ground)) == 12
        # Nothing is lost and nothing comes twice, whichever it goes on with; what comes next makes it look.
        ground.broker.publish(*(created(order_id, 800) for order_id in there[:1]))
        until(seen(ground, 44 + 1), engine)
        until(lambda: len(totals(ground)) == len(now), engine)
        rollback(site_of(ground))
        ground.broker.publish(*map(changed, some(1)))
        until(seen(ground, 45 + 4), engine)
    assert rebuilt(site_of(ground)).differing == 0


def test_what_cannot_be_applied_is_left_out_as_the_projector_leaves_it_out(ground: Ground) -> None:
    ground.make(orders.MODEL)
    good = some(3)
    nul = changed(good[0]).model_copy(update={"changeReason": "a\0b"})
    ground.broker.publish(*map(created, good))
    ground.broker.publish(nul)
    ground.broker.put(ORDERS_EVENTS, b"nonsense", good[1].encode())
    ground.broker.flush()
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 14), engine)
    report = rebuilt(site_of(ground))
    assert (report.swapped, report.differing, report.refusals.count) == (True, 0, 2)
    assert any("22021" in each for each in report.refusals.first)
    assert any("wrong magic byte" in each for each in report.refusals.first)
    assert len(totals(ground)) == 12


def test_a_row_that_several_partitions_speak_of_is_decided_as_the_projector_does(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No contract says that it can't be; so memory alone does not say which event was the last."""
    ground.make(payments.MODEL)
    one, other = some(1, 0, 1)
    refund = RefundRequested(
        refundId=one, paymentId=one, orderId=one, amount=5, currency="EUR", reason="x", requestedAt=MILLIS
    )
    ground.broker.publish(refund, refund.model_copy(update={"paymentId": other, "orderId": other}))
    engine = ground.engine(payments.MODEL)
    with running(engine):
        until(lambda: ground.applied(payments.MODEL) == 2, engine)
    report = rebuilt(site_of(ground, payments.MODEL), accept_differences=True)
    assert report.swapped
    assert len(ground.rows("payments.refunds", "refund_id")) == 1
    assert len(ground.rows("payments.payments", "payment_id")) == 2


def test_a_topic_that_was_made_anew_is_read_by_the_projector_first(ground: Ground) -> None:
    filled(ground, 1)
    ground.broker.delete_topic(ORDERS_EVENTS.name(ground.environment))
    ground.make(orders.MODEL)
    with pytest.raises(RebuildError, match="was made anew and not read since"):
        rebuilt(site_of(ground))


def test_a_shadow_that_other_code_began_is_begun_anew(ground: Ground) -> None:
    filled(ground)
    ground.ask(SQL("UPDATE orders.orders SET total = 1 RETURNING 1"))
    assert not rebuilt(site_of(ground)).swapped
    ground.ask(SQL("UPDATE orders_next.rebuilding SET code = 'other' RETURNING 1"))
    report = rebuilt(site_of(ground), accept_differences=True)
    assert (report.resumed, report.records) == (False, 40)


def test_several_processes_fill_range_by_range_what_one_does(
    stack: Addresses, unique: str, dsn: str, registry: ConfluentRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = Ground(stack.kafka, unique, dsn, registry)
    filled(ground)
    monkeypatch.setattr(crew, "RECORDS_WORTH_A_PROCESS", 0)
    read = list[tuple[int, int]]()
    site = elsewhere(unique, stack.kafka, stack.registry, dsn)
    report = rebuild(site, lambda done, total: read.append((done, total)), lambda _line: None)
    assert (report.swapped, report.differing, report.records) == (True, 0, 40)
    assert read[-1] == (40, 40)


def test_ranges_of_keys_make_the_same_rows(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(ground, 10)
    monkeypatch.setattr(crew, "fill", partial(fill.fill, records_at_once=7))
    assert rebuilt(site_of(ground)).differing == 0


def test_who_reads_all_the_time_sees_no_error_and_no_gap_while_events_keep_coming(ground: Ground, dsn: str) -> None:
    """Through a pool that prepares its statements, at 50 a second; events come at 200 a second."""
    known, *_ = filled(ground)
    # One prepared statement, used before and after: a plan that meant the old tables would show itself.
    question = SQL(
        "SELECT count(*), count(*) FILTER (WHERE order_id = %s), min(tableoid::bigint), "
        "(SELECT count(*) FROM orders.order_items) FROM orders.orders"
    )
    ended, answers, coming = Event(), list[tuple[Any, ...]](), some(700)

    def publish() -> int:
        for number, order_id in enumerate(coming):
            if ended.wait(1 / 200):
                return number
            ground.broker.publish(created(order_id))
        return len(coming)

    def poll(pool: ConnectionPool) -> None:
        while not ended.wait(1 / 50):
            with pool.connection() as connection:
                answers.extend(connection.execute(question, (known,)).fetchall())

    options = {"prepare_threshold": 0, "autocommit": True}
    engine = ground.engine(orders.MODEL)
    with (
        ConnectionPool(dsn, min_size=2, max_size=2, kwargs=options) as pool,
        ThreadPoolExecutor(3) as hands,
        running(engine),
    ):
        until(lambda: len(active(engine)) == 4, engine)
        publishing, polling = hands.submit(publish), [hands.submit(poll, pool) for _ in range(2)]
        try:
            until(lambda: len(answers) > 20, engine)
            report = rebuilt(site_of(ground))
            after = len(answers)
            until(lambda: len(answers) > after + 20, engine)
        finally:
            ended.set()
        published = publishing.result()
        for each in polling:
            each.result()
        until(seen(ground, 40 + published), engine)
    assert (report.swapped, report.differing, engine.counters.fences) == (True, 0, 0)
    assert 0 < report.held_ms < 5_000
    assert {(one, items >= rows) for rows, one, _, items in answers} == {(1, True)}
    assert len({table for _, _, table, _ in answers}) == 2
    assert min(rows for rows, *_ in answers) >= 20
    assert rebuilt(site_of(ground)).differing == 0


def test_whoever_asks_the_api_gets_the_order_through_every_swap(ground: Ground, dsn: str, stack: Addresses) -> None:
    """At 50 a second, while the model is rebuilt, swapped, and brought back."""
    known, *_ = filled(ground)
    ended, answers = Event(), list[tuple[int, str | None]]()

    def poll(api: httpx.Client) -> None:
        while not ended.wait(1 / 50):
            answer = api.get(f"/orders/{known}")
            answers.append((answer.status_code, answer.json().get("orderId")))

    def more() -> None:
        before = len(answers)
        until(lambda: len(answers) > before + 10, engine)

    kafka, registry = {"bootstrap.servers": stack.kafka}, {"url": stack.registry}
    site = Site(environment=ground.environment, dsn=dsn, kafka=kafka, registry=registry, asks_for_keys=False)
    engine = ground.engine(orders.MODEL)
    with serving(create(site)) as api, ThreadPoolExecutor(1) as hands, running(engine):
        until(lambda: len(active(engine)) == 4, engine)
        polling = hands.submit(poll, api)
        try:
            more()
            rebuilt(site_of(ground))
            more()
            rollback(site_of(ground))
            more()
        finally:
            ended.set()
        polling.result()
    assert set(answers) == {(200, known)}


def test_a_snapshot_that_is_older_than_the_rebuilt_model_shows_nothing_of_it(
    ground: Ground, connection: Connection
) -> None:
    """What docs/rebuild.md warns of: nobody can be shown both the new tables and the time before they were filled."""
    filled(ground, 1)
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        connection.execute("SELECT count(*) FROM orders.progress")
        assert rebuilt(site_of(ground)).swapped
        assert connection.execute("SELECT count(*) FROM orders.orders").fetchall() == [(0,)]
    with connection.transaction():
        assert connection.execute("SELECT count(*) FROM orders.orders").fetchall() == [(4,)]


def test_whoever_may_read_the_model_may_read_the_rebuilt_one(
    ground: Ground, connection: Connection, unique: str
) -> None:
    filled(ground, 1)
    role = Identifier(unique)
    connection.execute(SQL("CREATE ROLE {}").format(role))
    try:
        connection.execute(SQL("GRANT USAGE ON SCHEMA orders TO {}").format(role))
        connection.execute(SQL("GRANT SELECT ON orders.orders TO {}, PUBLIC").format(role))
        assert rebuilt(site_of(ground)).swapped
        connection.execute(SQL("SET ROLE {}").format(role))
        assert connection.execute("SELECT count(*) FROM orders.orders").fetchall() == [(4,)]
        connection.execute("RESET ROLE")
    finally:
        connection.execute(SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_a_view_that_stands_on_the_model_is_named_and_not_left_behind(ground: Ground, connection: Connection) -> None:
    filled(ground, 1)
    connection.execute("CREATE VIEW totals AS SELECT sum(total) FROM orders.orders")
    with pytest.raises(RebuildError, match="totals stands on tables of orders"):
        rebuilt(site_of(ground))
    connection.execute("DROP VIEW totals")
    assert rebuilt(site_of(ground)).swapped
    connection.execute("CREATE VIEW totals AS SELECT sum(total) FROM orders.orders")
    with pytest.raises(RebuildError, match="totals stands on tables of orders"):
        rollback(site_of(ground))


def test_a_rebuild_that_must_wait_for_a_reader_of_what_was_put_aside_lets_the_projector_go_on(
    ground: Ground, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(ground, 1)
    assert rebuilt(site_of(ground)).swapped
    monkeypatch.setattr(swap, "LOCK_SECONDS", 1)
    said = list[str]()

    def say(line: str) -> None:
        said.append(line)
        if "busy" in line:
            connection.execute("COMMIT")

    connection.execute("BEGIN")
    connection.execute("SELECT * FROM orders_previous.orders")
    report = rebuild(site_of(ground), unseen, say)
    assert report.swapped
    assert any("busy" in line for line in said)


def test_the_verbs_say_what_they_found_and_exit_by_it(
    stack: Addresses, unique: str, dsn: str, registry: ConfluentRegistry
) -> None:
    ground = Ground(stack.kafka, unique, dsn, registry)
    wrong, *_ = filled(ground, 1)
    told = {"KAFKA_BOOTSTRAP": stack.kafka, "REGISTRY_URL": stack.registry, "POSTGRES_DSN": dsn, "ENVIRONMENT": unique}
    environment = {**os.environ, **{f"ORDERFLOW_{name}": value for name, value in told.items()}}

    def run_verb(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ops.cli", "projection", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    ground.ask(SQL("UPDATE orders.orders SET total = 1 WHERE order_id = {} RETURNING 1").format(wrong))
    refused = run_verb("rebuild", "orders")
    assert (refused.returncode, refused.stdout) == (
        1,
        f"orders.orders {wrong} differs\n  total is '1', rebuilt '500'\n",
    )
    assert "1 rows of orders are not what their events make of them; not swapped" in refused.stderr
    assert "--accept-differences" in refused.stderr
    accepted = run_verb("rebuild", "orders", "--accept-differences", "--json")
    assert accepted.returncode == 0
    said = json.loads(accepted.stdout)
    assert (said["swapped"], said["differing"], said["resumed"]) == (True, 1, True)
    assert said["differences"][0]["columns"] == {"total": ["1", "500"]}
    back = run_verb("rollback", "orders")
    assert (back.returncode, back.stdout) == (0, "")
    assert (wrong, 1) in totals(ground)
    assert run_verb("rebuild", "order").returncode == 2
