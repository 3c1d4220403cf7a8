"""That the bench of full tables measures what it says. How long it takes is nobody's claim."""

from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from agents.catalogue import SERVICES
from agents.orchestrator.service import orchestrator
from agents.orchestrator.state import Phase
from agents.orders.service import orders
from bench import tables
from bench.lanes import BenchError
from bench.tables import ENVIRONMENT, Pipeline
from ops.bench.carts import PRODUCTS
from ops.worker.surroundings import rocks_stores
from schemas.topics import PARTITIONS
from streams.kafka.topics import group_of
from streams.partitioner import partition_of
from streams.state import StateCodec

SAGAS, MEASURED = 50, 10
#: The cart came priced, so its service kept nothing; and stock is kept by product.
KEPT = {"checkout-api", "checkout-orchestrator", "inventory", "orders", "payments", "order-state"}


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SEEDS", 20)


def test_the_tables_hold_what_was_asked_for_and_each_measured_checkout_is_completed(tmp_path: Path) -> None:
    with closing(Pipeline(tmp_path)) as pipeline:
        pipeline.fill(SAGAS, lambda _done, _wanted: None)
        assert pipeline.wakes() == {group_of(name, ENVIRONMENT): SAGAS for name in KEPT}
        assert pipeline.measure("measured", MEASURED) > 0
    stores, entries = rocks_stores(tmp_path), defaultdict[str, dict[str, bytes]](dict)
    for service in SERVICES:
        for number in range(PARTITIONS):
            with closing(stores.open(group_of(service.name, ENVIRONMENT), number)) as store:
                for raw_key, raw in store.scan():
                    assert partition_of(raw_key, PARTITIONS) == number
                    entries[service.name][raw_key.decode()] = raw
    assert {name: len(each) for name, each in entries.items()} == dict.fromkeys(KEPT, SAGAS + MEASURED) | {
        "stock": PRODUCTS
    }
    checkouts, placed = StateCodec(orchestrator), StateCodec(orders)
    ends = set()
    for order_id, raw in entries[orchestrator.name].items():
        checkout = checkouts.decode(order_id, raw)
        order = placed.decode(order_id, entries[orders.name][order_id])
        assert checkout.state is not None
        assert order.state is not None
        assert (checkout.state.phase, order.state.order_id) == (Phase.COMPLETED, order_id)
        ends.add(checkout.due)
    assert len(ends) > SAGAS - tables.SEEDS


def test_what_ends_in_another_way_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "stock", lambda _at: ())
    with closing(Pipeline(tmp_path)) as pipeline, pytest.raises(BenchError, match="of 20 checkouts 0 were completed"):
        pipeline.fill(SAGAS, lambda _done, _wanted: None)
