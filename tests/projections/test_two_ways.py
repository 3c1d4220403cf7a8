"""The read models and the folds were written apart, from the contract and the tables' comments: they agree."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from projections.folds import catalogue
from projections.folds.fold import Place
from projections.models import MODELS, model
from projections.models.model import ReadModel
from schemas.message import Message
from schemas.orders import OrderStatusChanged
from schemas.payments import RefundProcessed, RefundRequested
from tests.projections.folds.shop import all_said, morning, rows
from tests.projections.histories import Read, Tables, histories, rows_of

Told = list[tuple[Place, Message]]
Shown = dict[tuple[Any, ...], dict[str, Any]]


def by_model(read_model: ReadModel, told: Told) -> Shown:
    tables = Tables()
    for place, message in told:
        where = model.Place(place.partition, place.offset, place.at)
        tables.write(rows_of(read_model, [Read(message, where)]))
    return {(name, *key): _compared(name, columns.items()) for (name, key), columns in tables.rows.items()}


def by_fold(read_model: ReadModel, told: Told) -> Shown:
    """Without what PostgreSQL generates: `test_verify.py` compares that."""
    folded = catalogue.MODELS[read_model.name]
    tables = {table.name: table for table in folded.tables}
    written = {table.name: table.columns for table in read_model.tables}
    return {
        (row.table, *tables[row.table].key_of(row.values)): _compared(
            row.table,
            (
                (column, value)
                for column, value in zip(tables[row.table].columns, row.values, strict=True)
                if column in written[row.table]
            ),
        )
        for row in rows(folded, iter(told))
    }


def _compared(table: str, columns: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in columns}


def makes_sense(told: Told) -> bool:
    """Nobody gives two transitions of an order one number, or two payments one refund."""
    moves = {(each.orderId, each.sequence): each for _, each in told if isinstance(each, OrderStatusChanged)}
    refunds = {each.refundId: each.paymentId for _, each in told if isinstance(each, RefundRequested | RefundProcessed)}
    return all(
        moves[each.orderId, each.sequence].newStatus == each.newStatus
        if isinstance(each, OrderStatusChanged)
        else not isinstance(each, RefundRequested | RefundProcessed) or refunds[each.refundId] == each.paymentId
        for _, each in told
    )


@pytest.mark.parametrize("read_model", MODELS, ids=lambda each: each.name)
@settings(max_examples=200)
@given(data=st.data())
def test_any_history_makes_the_same_rows_either_way(read_model: ReadModel, data: st.DataObject) -> None:
    told = [
        (Place("topic", read.place.partition, read.place.offset, read.place.at), read.message)
        for read in data.draw(histories(read_model))
    ]
    assume(makes_sense(told))
    assert by_fold(read_model, told) == by_model(read_model, told)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("read_model", MODELS, ids=lambda each: each.name)
def test_a_morning_in_the_shop_makes_the_same_rows_either_way(read_model: ReadModel, seed: int) -> None:
    told = [*all_said(morning(seed), catalogue.MODELS[read_model.name])]
    assert by_fold(read_model, told) == by_model(read_model, told)
