import datetime as dt
import gc
import os
import random
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.memory.twin import Twin
from streams.service import Service
from streams.testing.purity import ImpureError, guarded, pure
from tests.contract.services import decide_order, orders
from tests.contract.test_twin import START, create, id_of


@pytest.mark.parametrize(
    ("impure", "name"),
    [
        (lambda: time.time(), "time.time"),
        (lambda: time.perf_counter(), "time.perf_counter"),
        (lambda: dt.datetime.now(dt.UTC), "datetime.now"),
        (lambda: dt.datetime.now(dt.UTC).date().today(), "date.today"),
        (lambda: random.random(), "Random.random"),
        (lambda: random.choice("ab"), "Random.getrandbits"),
        (lambda: uuid.uuid4(), "posix.urandom"),
        (lambda: os.environ.get("HOME"), "os.environ"),
        (lambda: os.getenv("HOME"), "os.environ"),
        (lambda: Path(__file__).read_text(), "TextIOWrapper.read"),
        (lambda: print("here"), "builtins.print"),
        (lambda: socket.gethostname(), "_socket.gethostname"),
    ],
)
def test_reaching_out_is_seen_however_it_is_done(impure: Callable[[], object], name: str) -> None:
    with pytest.raises(ImpureError, match=name), pure():
        impure()


@pytest.mark.parametrize(
    "clean",
    [
        lambda: uuid.uuid5(uuid.NAMESPACE_URL, "x"),
        lambda: dt.datetime.fromtimestamp(0, dt.UTC),
        lambda: sorted({"b": 1, "a": 2}),
        lambda: create(1, 100),
    ],
)
def test_reckoning_with_what_one_has_is_fine(clean: Callable[[], object]) -> None:
    with pure():
        clean()


def test_a_collection_of_garbage_is_not_the_deciders_doing() -> None:
    def clocked(_phase: str, _info: dict[str, int]) -> None:
        time.perf_counter()

    gc.callbacks.append(clocked)
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        with pure():
            assert [[number] for number in range(10_000)]
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(clocked)
    assert gc.isenabled()


def test_an_error_inside_is_the_error_that_is_seen() -> None:
    with pytest.raises(ZeroDivisionError), pure():
        raise ZeroDivisionError


def test_a_guarded_service_decides_as_before() -> None:
    twin = Twin([guarded(orders)])
    twin.advance(START)
    twin.publish(create(1, 100))
    twin.run()
    assert set(twin.states(guarded(orders)) or twin.states(orders)) <= {id_of(1)}
    assert twin.dead_letters == []


def test_a_guarded_service_gives_an_impure_decider_away() -> None:
    def late(state, message, at):  # type: ignore[no-untyped-def]
        time.time()
        return decide_order(state, message, at)

    late.__annotations__ = decide_order.__annotations__
    twin = Twin([guarded(Service(name="orders", state=orders.state, decide=late, sends=orders.sends))])
    twin.publish(create(1, 100))
    twin.run()
    (letter,) = twin.dead_letters
    assert letter.refusal.cause.startswith("ImpureError: a decider may use its arguments only, but it called time.time")
