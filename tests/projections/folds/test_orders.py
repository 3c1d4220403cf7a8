from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.folds.fold import Place, Table
from projections.folds.orders import HISTORY, ITEMS, MODEL, ORDERS, Order, OrderEvent, fold, rows
from schemas.examples import LINES, example_of
from schemas.orders import (
    CancellationReason,
    OrderAmended,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
    OrderRejectionReason,
    OrderStatusChanged,
    StatusAfter,
    StatusBefore,
)

CREATED, CONFIRMED, COMPLETED = example_of(OrderCreated), example_of(OrderConfirmed), example_of(OrderCompleted)
CANCELLED, REJECTED = example_of(OrderCancelled), example_of(OrderRejected)
CUP, POT = (line["productId"] for line in LINES)


def changed(sequence: int, before: str, after: str) -> OrderStatusChanged:
    return example_of(OrderStatusChanged).model_copy(
        update={"sequence": sequence, "previousStatus": StatusBefore(before), "newStatus": StatusAfter(after)}
    )


def amended(revision: int, product_id: str, quantity: int, total: int) -> OrderAmended:
    example = example_of(OrderAmended)
    assert example.amendedItems is not None
    item = example.amendedItems[0].model_copy(update={"productId": product_id, "newQuantity": quantity})
    return example.model_copy(update={"revision": revision, "newTotal": total, "amendedItems": (item,)})


TO_CONFIRMED, TO_COMPLETED = changed(1, "CREATED", "CONFIRMED"), changed(2, "CONFIRMED", "COMPLETED")
LIFE: tuple[OrderEvent, ...] = (CREATED, CONFIRMED, TO_CONFIRMED, amended(2, POT, 3, 9_000), COMPLETED, TO_COMPLETED)


def order(*events: OrderEvent) -> Order:
    state: Order | None = None
    for offset, event in enumerate(events):
        state = fold(state, event, Place("orders", 1, offset, 1_000 + offset))
    assert state is not None
    return state


def shown(state: Order, table: Table = ORDERS) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row.values, strict=True)) for row in rows(state) if row.table == table.name]


def test_an_order_is_all_that_its_events_say() -> None:
    assert shown(order(*LIFE)) == [
        {
            "order_id": CREATED.orderId,
            "customer_id": CREATED.customerId,
            "status": "COMPLETED",
            "total": 9_000,
            "currency": "EUR",
            "revision": 2,
            "confirmation_number": CONFIRMED.confirmationNumber,
            "payment_authorization_id": CONFIRMED.paymentAuthorizationId,
            "reservation_id": CONFIRMED.inventoryReservationId,
            "cancellation_reason": None,
            "rejection_reason": None,
            "rejection_detail": None,
            "created_at": CREATED.createdAt,
            "confirmed_at": CONFIRMED.confirmedAt,
            "completed_at": COMPLETED.completedAt,
            "cancelled_at": None,
            "rejected_at": None,
            "reached": "COMPLETED",
            "sequence": 2,
            "changed_at": 1_005,
            "version": 6,
        }
    ]


def test_its_items_are_those_of_its_last_edition() -> None:
    items = [tuple(each.values())[1:] for each in shown(order(*LIFE), ITEMS)]
    assert items == [(CUP, 1, 2, 1_999, 1, 1), (POT, 2, 3, 1_999, 2, 4)]


def test_its_history_says_where_each_transition_was_told_first() -> None:
    told = [
        (each["sequence"], each["previous_status"], each["status"], each["topic_partition"], each["topic_offset"])
        for each in shown(order(*LIFE, TO_CONFIRMED), HISTORY)
    ]
    assert told == [(1, "CREATED", "CONFIRMED", 1, 2), (2, "CONFIRMED", "COMPLETED", 1, 5)]


@pytest.mark.parametrize("length", range(1, len(LIFE) + 1))
@pytest.mark.parametrize("repeat", LIFE, ids=lambda each: type(each).__name__)
def test_what_is_said_once_more_takes_no_order_back(length: int, repeat: OrderEvent) -> None:
    life = LIFE[:length]
    if repeat in life:
        assert settled(order(*life, repeat)) == settled(order(*life))


def settled(state: Order) -> list[tuple[Any, ...]]:
    """Its rows, without where it was spoken of last."""
    said_last = {ORDERS.name: -2, ITEMS.name: -1, HISTORY.name: None}
    return sorted((row.values[: said_last[row.table]] for row in rows(state)), key=str)


@given(st.data())
def test_a_crash_that_repeats_the_last_records_changes_nothing(data: st.DataObject) -> None:
    end = data.draw(st.integers(1, len(LIFE)))
    begin = data.draw(st.integers(0, end))
    repeated = (*LIFE[:end], *LIFE[begin:end], *LIFE[end:])
    assert {each["sequence"] for each in shown(order(*repeated), HISTORY)} == {1, 2}
    assert without_history(order(*repeated)) == without_history(order(*LIFE))


def without_history(state: Order) -> list[tuple[Any, ...]]:
    return settled(replace(state, transitions={}))


@given(st.permutations(LIFE))
def test_transitions_count_by_their_sequence_in_whatever_order_they_are_read(events: Sequence[OrderEvent]) -> None:
    assert shown(order(*events))[0]["status"] == "COMPLETED"
    assert shown(order(*events))[0]["sequence"] == 2


def test_an_order_that_is_cancelled_before_it_exists_is_a_row_without_a_total() -> None:
    (row,) = shown(order(CANCELLED.model_copy(update={"customerId": None})))
    assert (row["status"], row["total"], row["customer_id"]) == ("CANCELLED", None, None)
    assert row["cancellation_reason"] == CancellationReason.CUSTOMER_REQUESTED.value


def test_what_was_rejected_never_was() -> None:
    (row,) = shown(order(REJECTED))
    assert (row["status"], row["rejected_at"], row["total"]) == ("REJECTED", REJECTED.rejectedAt, None)


def test_another_order_of_its_id_that_is_turned_down_leaves_it_as_it_stands() -> None:
    conflict = REJECTED.model_copy(update={"reason": OrderRejectionReason.CONFLICTING_ORDER})
    assert shown(order(CREATED, CONFIRMED, TO_CONFIRMED, conflict))[0]["status"] == "CONFIRMED"
    assert shown(order(CANCELLED, conflict))[0]["status"] == "CANCELLED"


def test_a_product_may_leave_an_order_or_join_it() -> None:
    joined = order(CREATED, amended(2, CREATED.customerId, 4, 1), amended(3, CUP, 0, 2))
    assert {each["product_id"]: (each["line"], each["quantity"]) for each in shown(joined, ITEMS)} == {
        CUP: (1, 0),
        POT: (2, 1),
        CREATED.customerId: (None, 4),
    }


def test_every_topic_of_the_model_is_that_of_its_messages() -> None:
    assert [topic.name("dev") for topic in MODEL.topics] == ["orders.dev.events"]
