from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.stock.decider import TERMINAL_STAYS, decide
from agents.stock.errors import StockError
from agents.stock.service import stock
from agents.stock.state import Stock
from schemas.inventory import (
    AddInventory,
    DeleteInventory,
    FreeStock,
    HoldStock,
    InventoryAdjusted,
    OutOfStock,
    ReturnStock,
    StockHeld,
    StockShort,
    TakeStock,
    UpdateInventory,
)
from schemas.message import Message
from schemas.types import INT_MAX
from streams.decision import Decision
from streams.memory.twin import Twin
from streams.state import StateCodec
from streams.step import Entry
from tests.agents.ids import AT, id_of

PRODUCT, RESERVATION, WAREHOUSE = id_of(1), id_of(2), id_of(3)
AnyOf = AddInventory | UpdateInventory | DeleteInventory | HoldStock | FreeStock | TakeStock | ReturnStock


def add(quantity: int, warehouse: str = WAREHOUSE) -> AddInventory:
    return AddInventory(productId=PRODUCT, quantity=quantity, warehouseId=warehouse, timestamp=AT)


def correct(change: int) -> UpdateInventory:
    return UpdateInventory(productId=PRODUCT, quantityChange=change, warehouseId=WAREHOUSE, timestamp=AT)


DELETE = DeleteInventory(productId=PRODUCT, warehouseId=WAREHOUSE, timestamp=AT)


def hold(quantity: int) -> HoldStock:
    return HoldStock(productId=PRODUCT, reservationId=RESERVATION, quantity=quantity)


def free(quantity: int) -> FreeStock:
    return FreeStock(productId=PRODUCT, reservationId=RESERVATION, quantity=quantity)


def take(quantity: int) -> TakeStock:
    return TakeStock(productId=PRODUCT, reservationId=RESERVATION, quantity=quantity)


def back(quantity: int) -> ReturnStock:
    return ReturnStock(productId=PRODUCT, reservationId=RESERVATION, quantity=quantity)


def after(*messages: AnyOf) -> Decision[Stock]:
    decision: Decision[Stock] = Decision(None)
    for message in messages:
        decision = decide(decision.state, message, AT)
    return decision


def figures(decision: Decision[Stock]) -> tuple[int, int]:
    assert decision.state is not None
    return decision.state.available, decision.state.held


def said(decision: Decision[Stock]) -> list[tuple[object, ...]]:
    """The sends, without what is the same in all of them."""
    return [_essence(message) for message in decision.sends]


def _essence(message: Message) -> tuple[object, ...]:
    match message:
        case StockHeld():
            return "held", message.quantity
        case StockShort():
            return "short", message.requested, message.available
        case InventoryAdjusted():
            return message.adjustment_reason, message.adjusted_quantity, message.new_quantity
        case OutOfStock():
            return "out of stock", message.last_available_quantity
    raise AssertionError(message)


@pytest.mark.parametrize(
    ("messages", "expected", "sends"),
    [
        pytest.param([add(5)], (5, 0), [("added", 5, 5)], id="pieces come in"),
        pytest.param([add(5), correct(2)], (7, 0), [("corrected", 2, 7)], id="more were found"),
        pytest.param([add(5), correct(0)], (5, 0), [], id="a difference of nothing is no change"),
        pytest.param([add(5), correct(-5)], (0, 0), [("corrected", -5, 0), ("out of stock", 5)], id="all were lost"),
        pytest.param([add(5), hold(3)], (2, 3), [("held", 3)], id="held"),
        pytest.param([add(5), hold(5)], (0, 5), [("held", 5), ("out of stock", 5)], id="the last ones are held"),
        pytest.param([add(5), hold(6)], (5, 0), [("short", 6, 5)], id="all or nothing"),
        pytest.param([add(5), hold(5), hold(1)], (0, 5), [("short", 1, 0)], id="it runs out once"),
        pytest.param([hold(1)], (0, 0), [("short", 1, 0)], id="nobody has ever seen it"),
        pytest.param([add(5), hold(3), free(3)], (5, 0), [], id="freed"),
        pytest.param([add(5), hold(3), take(3)], (2, 0), [("sold", -3, 2)], id="sold"),
        pytest.param([add(5), hold(5), take(5)], (0, 0), [("sold", -5, 0)], id="the last ones are sold"),
        pytest.param([add(5), hold(3), take(3), back(3)], (5, 0), [("returned", 3, 5)], id="returned"),
        pytest.param([add(5), DELETE], (0, 0), [("deleted", -5, 0), ("out of stock", 5)], id="deleted"),
        pytest.param([add(5), DELETE, DELETE], (0, 0), [], id="deleted twice"),
        pytest.param([DELETE], (0, 0), [], id="deleted before it came"),
        pytest.param(
            [add(5), hold(3), DELETE], (0, 3), [("deleted", -2, 3), ("out of stock", 2)], id="what is held stays"
        ),
        pytest.param(
            [add(5), hold(3), DELETE, free(3)],
            (0, 0),
            [("freed after the product was deleted", -3, 0)],
            id="what is freed of a deleted product is gone",
        ),
        pytest.param([add(5), hold(3), DELETE, take(3)], (0, 0), [("sold", -3, 0)], id="what was held is still sold"),
        pytest.param([add(5), hold(3), take(3), DELETE, back(3)], (0, 0), [], id="and does not come back"),
        pytest.param([add(5), hold(3), DELETE, add(4)], (4, 3), [("added", 4, 7)], id="it comes back"),
    ],
)
def test_a_product(messages: Sequence[AnyOf], expected: tuple[int, int], sends: list[tuple[object, ...]]) -> None:
    decision = after(*messages)
    assert figures(decision) == expected
    assert said(decision) == sends


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([add(0)], "0 pieces can't come in (0 available, 0 held)"),
        ([add(-1)], "-1 pieces can't come in"),
        ([add(INT_MAX), add(1)], "with 1 more it is beyond what a figure can say"),
        ([add(INT_MAX), hold(1), correct(1)], "with 1 more it is beyond what a figure can say"),
        ([correct(1)], "the product is not in stock"),
        ([add(5), DELETE, correct(1)], "the product is not in stock"),
        ([add(5), hold(2), correct(-4)], "4 pieces fewer are more than can be had (3 available, 2 held)"),
        ([add(5), hold(2), free(3)], "so many as 3 pieces are not held"),
        ([add(5), take(1)], "so many as 1 pieces are not held"),
    ],
)
def test_what_contradicts_the_stock_is_refused_with_the_figures(messages: Sequence[AnyOf], why: str) -> None:
    *before, last = messages
    state = after(*before).state
    with pytest.raises(StockError) as caught:
        decide(state, last, AT)
    assert f"{type(last).__name__} of product {PRODUCT}: {why}" in str(caught.value)
    assert "nothing was changed" in str(caught.value)


def test_a_refusal_is_a_dead_letter_and_the_product_goes_on() -> None:
    twin = Twin([stock])
    for message in (add(5), add(-3), add(2)):
        twin.publish(message)
    twin.run(until=1)
    (letter,) = twin.dead_letters
    assert letter.refusal.cause.startswith("StockError: AddInventory of product")
    assert twin.states(stock)[PRODUCT].available == 7


def test_what_ran_out_is_told_with_the_warehouse_that_added_last() -> None:
    decision = after(add(1), add(1, warehouse=id_of(9)), hold(2))
    assert [message.warehouse_id for message in decision.sends if isinstance(message, OutOfStock)] == [id_of(9)]


def test_each_fact_has_an_id_of_its_own_and_a_repeated_decision_the_same() -> None:
    story: list[AnyOf] = [add(5), correct(-5), add(5), correct(-5), DELETE, add(2), DELETE]
    ids = [
        message.event_id
        for length in range(1, len(story) + 1)
        for message in after(*story[:length]).sends
        if isinstance(message, InventoryAdjusted | OutOfStock)
    ]
    assert len(set(ids)) == len(ids) == 9
    assert after(*story) == after(*story)


def test_a_product_that_was_forgotten_and_comes_back_uses_no_id_again() -> None:
    first, again = (decide(None, add(5), at).sends[0] for at in (AT, AT + TERMINAL_STAYS))
    assert isinstance(first, InventoryAdjusted)
    assert isinstance(again, InventoryAdjusted)
    assert first.event_id != again.event_id


@pytest.mark.parametrize(
    ("messages", "expires"),
    [
        ([add(1)], None),
        ([add(1), hold(1)], None),
        ([add(1), hold(1), DELETE], None),
        ([add(1), hold(1), DELETE, free(1)], AT + TERMINAL_STAYS),
        ([add(1), DELETE], AT + TERMINAL_STAYS),
        ([hold(1)], AT + TERMINAL_STAYS),
    ],
)
def test_only_what_is_neither_sold_nor_held_is_forgotten(messages: Sequence[AnyOf], expires: int | None) -> None:
    assert after(*messages).expires == expires


def test_its_state_comes_back_from_bytes_as_it_was() -> None:
    codec, entry = StateCodec(stock), Entry(version=1, state=after(add(5), hold(3)).state)
    assert codec.decode(PRODUCT, codec.encode(PRODUCT, entry)) == entry


pieces = st.integers(1, 5)
anything = st.one_of(
    st.builds(add, st.integers(-1, 5)),
    st.builds(correct, st.integers(-5, 5)),
    st.just(DELETE),
    st.builds(hold, pieces),
    st.builds(free, pieces),
    st.builds(take, pieces),
    st.builds(back, pieces),
)


@given(st.lists(anything, max_size=40))
def test_no_sequence_of_messages_makes_a_figure_negative_or_tells_another_story_than_the_figures(
    messages: list[AnyOf],
) -> None:
    state: Stock | None = None
    told = 0
    times = count(AT)
    for message in messages:
        try:
            decision = decide(state, message, next(times))
        except StockError:
            continue
        state = decision.state
        assert state is not None
        assert min(state.available, state.held) >= 0
        told += sum(sent.adjusted_quantity for sent in decision.sends if isinstance(sent, InventoryAdjusted))
        assert told == state.on_hand
        assert not state.available or state.listed
