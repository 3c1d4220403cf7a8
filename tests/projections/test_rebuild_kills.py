"""Whoever dies while a read model is rebuilt, and wherever: the one that serves is whole, and the next run ends it."""

import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest
from psycopg.conninfo import make_conninfo

from ops.stack import Addresses
from ops.stack.postgres import Postgres
from projections import database
from projections.database import DatabaseAwayError
from projections.models import orders
from projections.rebuild import fill, run, swap
from projections.rebuild.site import RebuildError, Site
from streams.confluent import ConfluentRegistry
from tests.projections.ground import Ground
from tests.projections.rebuilding import Moment, elsewhere, rebuilt, site_of
from tests.projections.test_kills import SECONDS
from tests.projections.test_projector import changed, created, seen, some, totals
from tests.streams.kafka.engines import running, until

pytestmark = pytest.mark.connected

#: What dies one after another, each while the next of them is still ahead.
WAYS = {
    "before the first row": (Moment.PLACED,),
    "rows copied": (Moment.COPIED,),
    "one partition filled": (Moment.FILLED_ONE, Moment.FILLED_ONE),
    "its children at work": (Moment.WITH_CHILDREN,),
    "indexes of one table": (Moment.INDEXED_ONE, Moment.INDEXED_ONE),
    "before it catches up": (Moment.INDEXED_ONE, Moment.BEFORE_WRITE),
    "while it catches up": (Moment.INDEXED_ONE, Moment.AFTER_WRITE, Moment.AFTER_WRITE),
    "compared": (Moment.COMPARED,),
    "alone with the model": (Moment.LOCKED,),
    "renamed, not committed": (Moment.RENAMED,),
    "swapped, not told": (Moment.SWAPPED,),
}


#: Of these the rest are proofs.
BRIEFLY = {"rows copied", "while it catches up", "alone with the model", "renamed, not committed"}


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(moments, id=name, marks=() if name in BRIEFLY else pytest.mark.proof)
        for name, moments in WAYS.items()
    ],
)
def test_a_rebuild_that_is_killed_changes_nothing_that_is_read_and_the_next_one_ends_it(
    stack: Addresses,
    unique: str,
    dsn: str,
    registry: ConfluentRegistry,
    moments: tuple[Moment, ...],
) -> None:
    ground = Ground(stack.kafka, unique, dsn, registry)
    ground.make(orders.MODEL)
    there = some(3)
    ground.broker.publish(*map(created, there))
    engine, events, where = ground.engine(orders.MODEL), 12, (unique, stack.kafka, stack.registry, dsn)
    with running(engine):
        until(seen(ground, events), engine)
        for moment in moments:
            killed = subprocess.run(
                [sys.executable, "-m", "tests.projections.rebuilding", moment.name, *where],
                timeout=SECONDS,
                check=False,
            )
            assert killed.returncode == -signal.SIGKILL
            assert len(totals(ground)) == 12
            ground.broker.publish(*map(changed, there))
            until(seen(ground, events := events + 12), engine)
        report = rebuilt(elsewhere(*where))
        assert (report.swapped, report.differing) == (True, 0)
        ground.broker.publish(*map(created, some(4)))
        until(seen(ground, events + 16), engine)
    assert engine.counters.fences == 0
    assert len(totals(ground)) == 16
    assert len(ground.rows("orders.order_status_history", "order_id")) == 12


@pytest.mark.slow
@pytest.mark.parametrize("place", [(fill, "_copy"), (run, "compare_all"), (run, "swap")], ids=lambda place: place[1])
def test_a_database_that_is_killed_under_a_rebuild_comes_back_with_the_model_that_served(
    stack: Addresses,
    unique: str,
    server: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[Any, str],
) -> None:
    dsn = make_conninfo(server.up(), dbname=unique)
    database.create(dsn)
    ground = Ground(stack.kafka, unique, dsn)
    ground.make(orders.MODEL)
    ground.broker.publish(*map(created, some(3)))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 12), engine)
        method = getattr(*place)

        def and_die(*arguments: Any) -> None:
            method(*arguments)
            (pid,) = server.status().pids
            for process in (psutil.Process(pid), *psutil.Process(pid).children()):
                process.kill()

        with monkeypatch.context() as patch:
            patch.setattr(*place, and_die)
            with pytest.raises(DatabaseAwayError, match="it goes on from here"):
                rebuilt(site_of(ground))
        server.up()
        assert len(totals(ground)) == 12
        ground.broker.publish(*map(created, some(4)))
        until(seen(ground, 28), engine)
        report = rebuilt(site_of(ground))
        assert (report.swapped, report.differing) == (True, 0)
    assert len(totals(ground)) == 16


def test_who_is_frozen_alone_with_the_model_is_thrown_out(
    stack: Addresses, unique: str, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The projector waits for some seconds, and not for whoever holds it."""
    ground = Ground(stack.kafka, unique, dsn)
    ground.make(orders.MODEL)
    ground.broker.publish(*map(created, some(3)))
    engine = ground.engine(orders.MODEL)
    with running(engine):
        until(seen(ground, 12), engine)

        def and_freeze(_connection: object, _site: Site) -> None:
            ground.broker.publish(*map(created, some(4)))
            until(seen(ground, 28), engine)

        with monkeypatch.context() as patch:
            patch.setattr(swap, "HOLD_SECONDS", 1)
            patch.setattr(run, "swap", and_freeze)
            with pytest.raises(RebuildError, match="the projector was let go on"):
                rebuilt(site_of(ground))
        assert rebuilt(site_of(ground)).swapped
    assert len(totals(ground)) == 16
