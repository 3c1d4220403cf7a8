from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.models import MODELS, checkouts, inventory, orders, payments
from projections.models.model import GENERATION, UNORDERED, Place, ReadModel, Rows, UnfitEventError
from schemas.inventory import AddInventory, InventoryAdjusted, InventoryReserved, StockLine
from schemas.orders import (
    AmendableField,
    AmendedItem,
    CancellationReason,
    CancellationRejectionReason,
    CreatedItem,
    OrderAmended,
    OrderCancellationRejected,
    OrderConfirmed,
    OrderCreated,
    OrderStatusChanged,
    StatusAfter,
    StatusBefore,
)
from schemas.payments import PaymentMethod, PaymentOutcome, PaymentProcessed
from tests.projections.histories import IDS, MILLIS, Tables, changed, histories, rows_of, split

ORDER, PRODUCT = IDS
CREATED = OrderCreated(
    orderId=ORDER,
    customerId=ORDER,
    total=500,
    currency="EUR",
    status="CREATED",
    items=(CreatedItem(sku=PRODUCT, quantity=2, unitPrice=250),),
    createdAt=MILLIS,
)
AMENDED = OrderAmended(
    orderId=ORDER,
    revision=2,
    changedFields=(AmendableField.ITEMS,),
    previousTotal=500,
    newTotal=250,
    currency="EUR",
    amendedBy="support",
    amendedAt=MILLIS,
    amendedItems=(AmendedItem(productId=PRODUCT, oldQuantity=2, newQuantity=1, unitPrice=250),),
)


def moved(sequence: int, before: StatusBefore, after: StatusAfter) -> OrderStatusChanged:
    return OrderStatusChanged(
        orderId=ORDER, previousStatus=before, newStatus=after, sequence=sequence, changedAt=MILLIS
    )


def told(model: ReadModel, *messages: Any) -> dict[str, list[dict[str, Any]]]:
    """Rows of one batch, by table."""
    rows = Rows(model)
    for offset, message in enumerate(messages):
        rows.add(model.changes(message, Place(1, offset, MILLIS + offset)), offset)
    return {table.name: found for table, found in rows}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@given(data=st.data(), cuts=st.lists(st.integers(0, 100), max_size=4))
def test_any_split_into_batches_gives_the_same_rows(model: ReadModel, data: st.DataObject, cuts: list[int]) -> None:
    history = data.draw(histories(model))
    whole, parts = Tables(), Tables()
    whole.write(rows_of(model, history))
    for part in split(history, cuts):
        parts.write(rows_of(model, part))
    assert parts.rows == whole.rows


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@given(data=st.data(), cuts=st.lists(st.integers(0, 100), max_size=4))
def test_a_batch_again_changes_nothing(model: ReadModel, data: st.DataObject, cuts: list[int]) -> None:
    history = data.draw(histories(model))
    once, again = Tables(), Tables()
    for part in split(history, cuts):
        once.write(rows_of(model, part))
        again.write(rows_of(model, part))
        again.write(rows_of(model, part))
    assert again.rows == once.rows


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@given(data=st.data())
def test_a_row_says_only_columns_of_its_table_and_always_its_key_and_editions(
    model: ReadModel, data: st.DataObject
) -> None:
    for read in data.draw(histories(model)):
        for table, columns in model.changes(read.message, read.place):
            assert columns.keys() <= table.columns.keys()
            assert {*table.key, *table.editions} <= columns.keys()
            assert None not in [columns[name] for name in table.key]


def test_each_model_reads_the_topics_of_its_events() -> None:
    assert {model.name: [topic.name("e") for topic in model.topics] for model in MODELS} == {
        "orders": ["orders.e.events"],
        "payments": ["payments.e.events"],
        "inventory": ["inventory.e.events", "orders.e.events"],
        "checkouts": ["checkout.e.events", "carts.e.events"],
    }


def test_an_order_that_is_created_again_stays_as_far_as_it_was() -> None:
    confirmed = moved(1, StatusBefore.CREATED, StatusAfter.CONFIRMED)
    rows = told(orders.MODEL, CREATED, confirmed, AMENDED, CREATED)
    [order], [item] = rows["orders"], rows["order_items"]
    assert (order["sequence"], order["reached"]) == (1, "CONFIRMED")
    assert (order["revision"], order["total"]) == (2, 250)
    assert (item["revision"], item["quantity"], item["line"]) == (2, 1, 1)
    assert order["version"] == 4


def test_a_transition_that_is_told_again_stays_where_it_was_told_first() -> None:
    first = moved(1, StatusBefore.CREATED, StatusAfter.CONFIRMED)
    second = moved(2, StatusBefore.CONFIRMED, StatusAfter.COMPLETED)
    rows = told(orders.MODEL, first, second, first)
    assert [(row["sequence"], row["topic_partition"], row["topic_offset"]) for row in rows["order_status_history"]] == [
        (1, 1, 0),
        (2, 1, 1),
    ]
    assert rows["orders"][0]["reached"] == "COMPLETED"


def test_an_amendment_may_bring_in_a_product_and_take_one_out() -> None:
    new = AmendedItem(productId=ORDER, oldQuantity=0, newQuantity=3, unitPrice=10)
    gone = AmendedItem(productId=PRODUCT, oldQuantity=2, newQuantity=0, unitPrice=250)
    rows = told(orders.MODEL, CREATED, AMENDED.model_copy(update={"amendedItems": (new, gone)}))
    assert [(row["product_id"], row.get("line"), row["quantity"]) for row in rows["order_items"]] == [
        (PRODUCT, 1, 0),
        (ORDER, None, 3),
    ]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (orders.MODEL, CREATED.model_copy(update={"items": CREATED.items * 2})),
        (
            inventory.MODEL,
            InventoryReserved(
                reservationId=ORDER, items=(StockLine(productId=PRODUCT, quantity=1),) * 2, reservedAt=MILLIS
            ),
        ),
    ],
)
def test_one_product_twice_is_no_row(model: ReadModel, message: Any) -> None:
    with pytest.raises(UnfitEventError, match=f"{ORDER} has several items of one product"):
        model.changes(message, Place(0, 0, 0))


def test_what_no_row_shows_changes_nothing() -> None:
    message = OrderCancellationRejected(
        orderId=ORDER,
        requestedReason=CancellationReason.FRAUD,
        reason=CancellationRejectionReason.COMPLETED,
        rejectedAt=MILLIS,
    )
    assert orders.MODEL.changes(message, Place(0, 0, 0)) == []


def test_versions_of_a_topic_that_was_made_anew_are_greater_than_all_before() -> None:
    rows = Rows(orders.MODEL, generation=1)
    rows.add(orders.MODEL.changes(CREATED, Place(0, 0, MILLIS)), 0)
    [(_, [order]), _] = rows
    assert order["version"] == GENERATION + 1


def test_a_confirmation_has_no_place_among_the_events_of_its_reservation() -> None:
    message = OrderConfirmed(
        orderId=ORDER,
        customerId=ORDER,
        confirmationNumber="ORD-00000001",
        total=500,
        currency="EUR",
        confirmedAt=MILLIS,
    )
    [row] = told(inventory.MODEL, message)["reservations"]
    assert (row["confirmed_at"], row["version"]) == (MILLIS, UNORDERED)


def test_where_pieces_lie_is_said_by_who_adds_them_and_how_many_there_are_by_the_stock() -> None:
    added = AddInventory(productId=PRODUCT, quantity=5, warehouseId=ORDER, timestamp=MILLIS)
    adjusted = InventoryAdjusted(
        event_id=ORDER, timestamp=MILLIS, product_id=PRODUCT, adjusted_quantity=5, new_quantity=5
    )
    [stock] = told(inventory.MODEL, added, adjusted)["stock"]
    assert (stock["on_hand"], stock["warehouse_id"]) == (5, ORDER)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (PaymentOutcome.CONFIRMED, "authorized_at"),
        (PaymentOutcome.FAILED, "failed_at"),
        (PaymentOutcome.PENDING, None),
        (PaymentOutcome.UNRECOGNIZED, None),
    ],
)
def test_only_confirmed_money_is_held(outcome: PaymentOutcome, said: str | None) -> None:
    message = PaymentProcessed(
        transactionId=ORDER,
        userId=ORDER,
        orderId=ORDER,
        amount=500,
        currency="EUR",
        paymentMethod=PaymentMethod.CREDIT_CARD,
        status=outcome,
        timestamp=MILLIS,
    )
    [payment] = changed(payments.MODEL.changes(message, Place(0, 0, MILLIS)), payments.PAYMENTS)
    assert [name for name in ("authorized_at", "failed_at") if name in payment] == ([said] if said else [])


def test_every_event_of_a_checkout_has_a_rule() -> None:
    assert {kind.__name__ for kind in checkouts.MODEL.rules} == {
        "CheckoutStarted",
        "CheckoutCompleted",
        "CheckoutFailed",
        "CheckoutRejected",
        "CartCheckedOut",
    }
