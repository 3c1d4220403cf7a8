"""Many reservations over few products, through both services: whatever befalls them, every piece is accounted for."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inventory.deadlines import RESERVATION_STAYS
from agents.inventory.service import inventory
from agents.inventory.state import Reservation, Status
from agents.stock.service import stock
from agents.stock.state import Stock
from schemas.inventory import (
    AddInventory,
    InventoryAdjusted,
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    ReleaseReason,
    ReserveInventory,
)
from schemas.message import Message
from schemas.topics import INVENTORY_COMMANDS, INVENTORY_EVENTS
from streams.memory.twin import Twin, by_chance
from streams.testing.purity import guarded
from tests.agents.ids import AT, id_of
from tests.agents.inventory.story import CUP, POT, cancelled, confirmed, release, reserve

GUARDED_INVENTORY, GUARDED_STOCK = guarded(inventory), guarded(stock)
TRAY, WAREHOUSE = id_of(13), id_of(41)
PRODUCTS = (CUP, POT, TRAY)
MINUTE = 60_000

orders = st.integers(100, 112).map(id_of)
pieces = st.integers(1, 3)
lines = st.lists(st.tuples(st.sampled_from(PRODUCTS), pieces), min_size=1, max_size=4)


def add(product: str, quantity: int) -> AddInventory:
    return AddInventory(productId=product, quantity=quantity, warehouseId=WAREHOUSE, timestamp=AT)


#: A message to be published, or millis to wait; None: until all is quiet.
Event = Message | int | None
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda order, wanted: reserve(*wanted, order=order), orders, lines),
    st.builds(lambda order, wanted: reserve(*wanted, order=order), orders, lines),
    st.builds(add, st.sampled_from(PRODUCTS), pieces),
    st.builds(release, orders),
    st.builds(confirmed, orders),
    st.builds(cancelled, orders),
    st.integers(1, 10).map(lambda minutes: minutes * MINUTE),
    st.none(),
)
stories = st.lists(events, min_size=10, max_size=60)


def play(twin: Twin, story: Sequence[Event]) -> None:
    twin.advance(AT)
    for event in (*(add(product, 4) for product in PRODUCTS), None, *story):
        match event:
            case None:
                twin.run(until=twin.now)
            case int():
                twin.advance(event)
            case _:
                twin.publish(event)
    twin.run(until=twin.now)


def check(twin: Twin) -> None:
    assert twin.dead_letters == []
    reservations: dict[str, Reservation] = twin.states(GUARDED_INVENTORY)
    products: dict[str, Stock] = twin.states(GUARDED_STOCK)
    asked = {each.reservationId for each in twin.messages(INVENTORY_COMMANDS) if isinstance(each, ReserveInventory)}
    facts = {each.meta.messageId: each for each in twin.messages(INVENTORY_EVENTS) if each.meta}.values()
    incoming = [each for each in twin.messages(INVENTORY_EVENTS) if isinstance(each, AddInventory)]

    added = Counter[str]()
    for each in incoming:
        added[each.productId] += each.quantity
    told = Counter[str]()
    for adjusted in facts:
        if isinstance(adjusted, InventoryAdjusted):
            told[adjusted.product_id] += adjusted.adjusted_quantity
    held, taken = (_pieces(reservations, status) for status in (Status.RESERVED, Status.TAKEN))
    for product in PRODUCTS:
        now = products[product]
        assert now.held == held[product]
        assert now.available + now.held + taken[product] == added[product]
        assert told[product] == now.on_hand
    _check_answers(facts, asked)


def _pieces(reservations: dict[str, Reservation], status: Status) -> Counter[str]:
    total = Counter[str]()
    for each in reservations.values():
        if each.status is status:
            total.update(each.held)
    return total


def _check_answers(facts: Any, asked: set[str | None]) -> None:
    answers: dict[str | None, list[Message]] = defaultdict(list)
    for fact in facts:
        if isinstance(fact, InventoryReserved | InventoryUnavailable | InventoryReleased):
            answers[fact.orderId].append(fact)
    assert asked <= answers.keys()
    for given_ in answers.values():
        expired = any(isinstance(each, InventoryReleased) and each.reason is ReleaseReason.EXPIRED for each in given_)
        kinds = {
            type(each)
            for each in given_
            if isinstance(each, InventoryReserved) or (isinstance(each, InventoryUnavailable) and each.unavailableItems)
        }
        assert len(kinds) < 2 or expired


@given(story=stories, seed=st.integers(0, 2**32))
def test_every_piece_is_available_or_held_or_sold(story: list[Event], seed: int) -> None:
    twin = Twin([GUARDED_INVENTORY, GUARDED_STOCK], seed=seed, partitions=2)
    play(twin, story)
    check(twin)
    twin.run(until=twin.now + RESERVATION_STAYS)
    check(twin)
    assert all(each.status is not Status.RESERVED for each in twin.states(GUARDED_INVENTORY).values())


@given(story=stories, seed=st.integers(0, 2**32), one_in=st.integers(8, 60))
def test_every_piece_is_still_there_after_crashes_and_late_writes(story: list[Event], seed: int, one_in: int) -> None:
    twin = Twin(
        [GUARDED_INVENTORY, GUARDED_STOCK],
        seed=seed,
        partitions=2,
        crash=by_chance(seed, one_in),
        upheaval=by_chance(seed + 1, 2 * one_in),
        compaction=by_chance(seed + 2, 20),
    )
    play(twin, story)
    check(twin)
    twin.run(until=twin.now + RESERVATION_STAYS)
    check(twin)


@pytest.mark.parametrize(
    ("meanwhile", "status", "left"), [(1, Status.TAKEN, (0, 1)), (2, Status.REFUSED, (2, 2))], ids=["enough", "short"]
)
def test_an_order_that_is_confirmed_after_its_time_gets_what_is_left(
    meanwhile: int, status: Status, left: tuple[int, int]
) -> None:
    twin = Twin([inventory, stock])
    play(twin, [reserve((CUP, 3), order=id_of(100))])
    twin.run(until=twin.now + RESERVATION_STAYS)
    twin.publish(reserve((CUP, meanwhile), order=id_of(101)))
    twin.run(until=twin.now)
    twin.publish(confirmed(id_of(100)))
    twin.run(until=twin.now)
    cups = twin.states(stock)[CUP]
    assert (twin.states(inventory)[id_of(100)].status, (cups.available, cups.held)) == (status, left)


def test_a_stranger_may_leave_the_reservation_to_the_records_key() -> None:
    twin = Twin([inventory, stock])
    play(twin, ())
    twin.publish(reserve((CUP, 1)).model_copy(update={"reservationId": None}), key=id_of(7))
    twin.run(until=twin.now)
    assert {key: each.status for key, each in twin.states(inventory).items()} == {id_of(7): Status.RESERVED}
