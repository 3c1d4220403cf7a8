"""What the folds make of a morning's events is what the services hold themselves, though they were never asked."""

from collections.abc import Mapping
from typing import Any

import pytest

from agents.inventory.service import inventory
from agents.inventory.state import Status as Held
from agents.orchestrator.service import orchestrator
from agents.orchestrator.state import Phase
from agents.orders.service import orders
from agents.orders.state import PUBLIC
from agents.orders.state import Status as Ordered
from agents.payments.service import payments
from agents.payments.state import Status as Paid
from agents.stock.service import stock
from projections.folds import checkouts as checkout_fold
from projections.folds import inventory as inventory_fold
from projections.folds import orders as order_fold
from projections.folds import payments as payment_fold
from projections.folds.fold import Model
from streams.memory.twin import Twin
from tests.projections.folds.shop import all_said, folded, morning, rows

SEEDS = range(4)
MODELS = [order_fold.MODEL, payment_fold.MODEL, inventory_fold.MODEL, checkout_fold.MODEL]


def objects(twin: Twin, model: Model, number: int = 0) -> Mapping[str, Any]:
    found = folded(model, all_said(twin, model))
    return {subject: each for (fold, subject), each in found.items() if fold == number}


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_stand_as_the_service_has_them(seed: int) -> None:
    twin = morning(seed)
    known = {key: state for key, state in twin.states(orders).items() if state.status is not Ordered.PLACED}
    found = objects(twin, order_fold.MODEL)
    assert {key: (each.status, each.sequence) for key, each in found.items()} == {
        key: (state.status.value, state.sequence) for key, state in known.items()
    }
    for key, state in known.items():
        if state.status in PUBLIC and state.created_at:
            assert found[key].total == state.purchase.total
            assert {product: (item.quantity, item.unit_price) for product, item in found[key].items.items()} == {
                line.product_id: (line.quantity, line.unit_price) for line in state.purchase.lines
            }


@pytest.mark.parametrize("seed", SEEDS)
def test_payments_stand_as_the_service_has_them(seed: int) -> None:
    names = {Paid.DECLINED: {"FAILED", "VOIDED"}, Paid.VOIDED: {"VOIDED"}, Paid.AUTHORIZING: {"PENDING"}}
    twin = morning(seed)
    found = objects(twin, payment_fold.MODEL)
    for key, state in twin.states(payments).items():
        if state.status is not Paid.UNKNOWN:
            assert found[key].status in names.get(state.status, {state.status.value}), state


@pytest.mark.parametrize("seed", SEEDS)
def test_reservations_stand_as_the_service_has_them(seed: int) -> None:
    names = {
        Held.RESERVED: "RESERVED",
        Held.TAKEN: "CONFIRMED",
        Held.REFUSED: "UNAVAILABLE",
        Held.EXPIRED: "RELEASED",
        Held.RELEASED: "RELEASED",
    }
    twin = morning(seed)
    found = objects(twin, inventory_fold.MODEL)
    for key, state in twin.states(inventory).items():
        assert found[key].status == names[state.status], state


@pytest.mark.parametrize("seed", SEEDS)
def test_the_shelves_hold_what_the_service_counts(seed: int) -> None:
    twin = morning(seed)
    counted = {key: state.on_hand for key, state in twin.states(stock).items() if state.listed}
    found = {key: each.on_hand for key, each in objects(twin, inventory_fold.MODEL, 1).items()}
    assert counted
    assert {key: found[key] for key in counted} == counted


@pytest.mark.parametrize("seed", SEEDS)
def test_checkouts_end_as_the_saga_has_them(seed: int) -> None:
    names = {Phase.COMPLETED: "COMPLETED", Phase.FAILED: "FAILED"}
    twin = morning(seed)
    found = objects(twin, checkout_fold.MODEL)
    ends = {key: names[state.phase] for key, state in twin.states(orchestrator).items()}
    assert ends
    assert {key: found[key].status for key in ends} == ends


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_table_gets_rows_of_its_width_and_no_two_of_one_key(model: Model) -> None:
    found = rows(model, all_said(morning(0), model))
    tables = {table.name: table for table in model.tables}
    assert {row.table for row in found} == set(tables)
    assert all(len(row.values) == len(tables[row.table].columns) for row in found)
    keys = [(row.table, *tables[row.table].key_of(row.values)) for row in found]
    assert len(keys) == len(set(keys))
