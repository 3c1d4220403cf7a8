from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.folds.fold import Place, Table
from projections.folds.inventory import (
    ITEMS,
    RESERVATIONS,
    STOCK,
    Reservation,
    ReservationEvent,
    Stock,
    StockEvent,
    fold_reservation,
    fold_stock,
    reservation_rows,
    stock_rows,
)
from schemas.examples import example_of
from schemas.inventory import (
    AddInventory,
    InventoryAdjusted,
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    OutOfStock,
    ReleaseReason,
)
from schemas.orders import OrderConfirmed

RESERVED, UNAVAILABLE, CONFIRMED = (
    example_of(InventoryReserved),
    example_of(InventoryUnavailable),
    example_of(OrderConfirmed),
)
RELEASED = example_of(InventoryReleased)
EXPIRED = RELEASED.model_copy(update={"reason": ReleaseReason.EXPIRED, "releasedAt": RESERVED.reservedAt + 900_000})
#: Asked for once more after it was called off: the answer has the time of that.
AFTERWARDS = UNAVAILABLE.model_copy(update={"checkedAt": RELEASED.releasedAt})
ANEW = RESERVED.model_copy(update={"reservedAt": EXPIRED.releasedAt + 5})


def reservation(*events: ReservationEvent) -> Reservation:
    state: Reservation | None = None
    offsets = {"inventory": 0, "orders": 100}
    for event in events:
        topic = "orders" if isinstance(event, OrderConfirmed) else "inventory"
        state = fold_reservation(state, event, Place(topic, 0, offsets[topic], 1_000))
        offsets[topic] += 1
    assert state is not None
    return state


def shown(state: Reservation, table: Table = RESERVATIONS) -> list[dict[str, Any]]:
    found = (row for row in reservation_rows(state) if row.table == table.name)
    return [dict(zip(table.columns, row.values, strict=True)) for row in found]


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ((RESERVED,), "RESERVED"),
        ((UNAVAILABLE,), "UNAVAILABLE"),
        ((RELEASED,), "RELEASED"),
        ((RESERVED, CONFIRMED), "CONFIRMED"),
        ((RESERVED, EXPIRED), "RELEASED"),
        ((RESERVED, CONFIRMED, EXPIRED), "RELEASED"),
        ((RESERVED, EXPIRED, CONFIRMED, ANEW), "CONFIRMED"),
        # A crash said the first of them once more.
        ((RESERVED, EXPIRED, RESERVED), "RELEASED"),
        ((RELEASED, AFTERWARDS), "RELEASED"),
        ((CONFIRMED,), "CONFIRMED"),
    ],
    ids=lambda each: "+".join(type(event).__name__ for event in each) if isinstance(each, tuple) else each,
)
def test_a_reservation_stands_as_both_topics_have_it(events: tuple[ReservationEvent, ...], status: str) -> None:
    assert shown(reservation(*events))[0]["status"] == status


def test_a_reservation_is_all_that_its_events_say() -> None:
    state = reservation(RESERVED, CONFIRMED)
    assert shown(state) == [
        {
            "reservation_id": RESERVED.reservationId,
            "order_id": RESERVED.orderId,
            "cart_id": RESERVED.cartId,
            "status": "CONFIRMED",
            "reserved_at": RESERVED.reservedAt,
            "unavailable_at": None,
            "released_at": None,
            "release_reason": None,
            "confirmed_at": CONFIRMED.confirmedAt,
            "version": 1,
        }
    ]
    assert [tuple(each.values())[1:] for each in shown(state, ITEMS)] == [
        (item.productId, item.quantity, 1) for item in RESERVED.items
    ]


@given(st.permutations((0, 0, 0, 1)))
def test_two_topics_give_one_reservation_in_whatever_order_they_are_read(turns: Sequence[int]) -> None:
    topics: tuple[Iterator[ReservationEvent], ...] = iter((RESERVED, EXPIRED, ANEW)), iter((CONFIRMED,))
    assert reservation(*(next(topics[turn]) for turn in turns)) == reservation(RESERVED, EXPIRED, ANEW, CONFIRMED)


def test_stock_is_what_the_last_event_says() -> None:
    adjusted, empty, added = example_of(InventoryAdjusted), example_of(OutOfStock), example_of(AddInventory)
    state: Stock | None = None
    events: list[StockEvent] = [added, adjusted, adjusted.model_copy(update={"new_quantity": 7}), empty]
    for offset, event in enumerate(events):
        state = fold_stock(state, event, Place("inventory", 2, offset, 1_000 + offset))
    assert state is not None
    (row,) = stock_rows(state)
    assert dict(zip(STOCK.columns, row.values, strict=True)) == {
        "product_id": adjusted.product_id,
        "on_hand": 7,
        "warehouse_id": empty.warehouse_id,
        "out_of_stock_at": empty.timestamp,
        "changed_at": 1_003,
        "version": 4,
    }
