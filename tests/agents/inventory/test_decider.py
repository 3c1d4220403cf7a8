from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inventory.deadlines import RESERVATION_STAYS, TAKEN_STAYS, TERMINAL_STAYS
from agents.inventory.decider import decide
from agents.inventory.service import inventory
from agents.inventory.state import Reservation, Status
from schemas.inventory import (
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    ReleaseInventory,
    ReleaseReason,
    ReserveInventory,
    StockHeld,
    StockShort,
)
from schemas.orders import OrderCancelled, OrderCompleted, OrderConfirmed
from schemas.types import INT_MAX
from streams.decision import Decision, Wake
from streams.state import StateCodec
from streams.step import Entry
from tests.agents.ids import AT, id_of
from tests.agents.inventory.story import (
    CART,
    CUP,
    POT,
    cancelled,
    completed,
    confirmed,
    essence,
    held,
    release,
    reserve,
    short,
)

AnyOf = (
    ReserveInventory
    | ReleaseInventory
    | StockHeld
    | StockShort
    | OrderConfirmed
    | OrderCancelled
    | OrderCompleted
    | Wake
)

ANSWERS = (InventoryReserved, InventoryUnavailable, InventoryReleased)
BOTH = reserve((CUP, 2), (POT, 1))
RESERVED: list[AnyOf] = [BOTH, held(CUP, 2), held(POT, 1)]
WAKE = Wake(AT + RESERVATION_STAYS)
GIVEN_BACK = [("free", CUP, 2), ("free", POT, 1)]
RETURNED = [("return", CUP, 2), ("return", POT, 1)]
LINES = [(CUP, 2), (POT, 1)]
FAILED, CANCELLED, EXPIRED = ReleaseReason.CHECKOUT_FAILED, ReleaseReason.ORDER_CANCELLED, ReleaseReason.EXPIRED


def after(*messages: AnyOf) -> Decision[Reservation]:
    decision: Decision[Reservation] = Decision(None)
    for message in messages:
        decision = decide(decision.state, message, AT)
    return decision


@pytest.mark.parametrize(
    ("messages", "status", "sends"),
    [
        pytest.param([BOTH], Status.HOLDING, [("hold", CUP, 2), ("hold", POT, 1)], id="one hold per product"),
        pytest.param(
            [reserve((CUP, 2), (CUP, 3))], Status.HOLDING, [("hold", CUP, 5)], id="lines of one product are one"
        ),
        pytest.param([BOTH, held(CUP, 2)], Status.HOLDING, [], id="not all have answered"),
        pytest.param(RESERVED, Status.RESERVED, [("reserved", *LINES)], id="all is held"),
        pytest.param(
            [BOTH, held(CUP, 2), short(POT, 1, 0)],
            Status.REFUSED,
            [("free", CUP, 2), ("unavailable", (POT, 1, 0))],
            id="one is short",
        ),
        pytest.param([BOTH, short(POT, 1, 0)], Status.HOLDING, [], id="what may still be held is waited for"),
        pytest.param(
            [BOTH, short(POT, 1, 0), short(CUP, 2, 1)],
            Status.REFUSED,
            [("unavailable", (POT, 1, 0), (CUP, 2, 1))],
            id="all are short",
        ),
        pytest.param([reserve()], Status.RESERVED, [("reserved",)], id="of nothing all is held"),
        pytest.param(
            [reserve((CUP, INT_MAX), (CUP, 1))],
            Status.REFUSED,
            [("unavailable", (CUP, INT_MAX, 0))],
            id="more than a figure can say is short",
        ),
        # Repeats
        pytest.param([BOTH, BOTH], Status.HOLDING, [], id="asked again, while nobody knows"),
        pytest.param([*RESERVED, BOTH], Status.RESERVED, [("reserved", *LINES)], id="asked again"),
        pytest.param(
            [*RESERVED, reserve((CUP, 9))], Status.RESERVED, [("reserved", *LINES)], id="the first one counts"
        ),
        pytest.param(
            [*RESERVED, confirmed(), BOTH], Status.TAKEN, [("reserved", *LINES)], id="asked after it was sold"
        ),
        pytest.param(
            [BOTH, held(CUP, 2), short(POT, 1, 0), BOTH],
            Status.REFUSED,
            [("unavailable", (POT, 1, 0))],
            id="refused again",
        ),
        pytest.param([*RESERVED, held(CUP, 2)], Status.RESERVED, [], id="an answer that nobody waits for"),
        # Confirmation
        pytest.param([*RESERVED, confirmed()], Status.TAKEN, [("take", CUP, 2), ("take", POT, 1)], id="sold"),
        pytest.param([*RESERVED, confirmed(), confirmed()], Status.TAKEN, [], id="sold once"),
        pytest.param([*RESERVED, confirmed(), completed()], Status.TAKEN, [], id="the goods are with the customer"),
        pytest.param([BOTH, confirmed()], Status.CONFIRMING, [], id="confirmed before all is held"),
        pytest.param(
            [BOTH, confirmed(), held(CUP, 2), held(POT, 1)],
            Status.TAKEN,
            [("reserved", *LINES), ("take", CUP, 2), ("take", POT, 1)],
            id="and then all is held",
        ),
        # Release
        pytest.param(
            [*RESERVED, release()], Status.RELEASED, [*GIVEN_BACK, ("released", FAILED, *LINES)], id="released"
        ),
        pytest.param(
            [*RESERVED, release(), release()], Status.RELEASED, [("released", FAILED, *LINES)], id="released again"
        ),
        pytest.param(
            [*RESERVED, cancelled()], Status.RELEASED, [*GIVEN_BACK, ("released", CANCELLED, *LINES)], id="cancelled"
        ),
        pytest.param(
            [*RESERVED, confirmed(), cancelled()],
            Status.RELEASED,
            [*RETURNED, ("released", CANCELLED, *LINES)],
            id="cancelled after it was sold",
        ),
        pytest.param(
            [*RESERVED, confirmed(), cancelled(), release()],
            Status.RELEASED,
            [("released", CANCELLED, *LINES)],
            id="what was given back is given back once",
        ),
        pytest.param([*RESERVED, release(), BOTH], Status.RELEASED, [("unavailable",)], id="released means for good"),
        pytest.param([*RESERVED, release(), confirmed()], Status.RELEASED, [], id="even if it is confirmed"),
        pytest.param([BOTH, held(CUP, 2), release()], Status.RELEASING, [], id="released while nobody knows"),
        pytest.param([BOTH, release(), BOTH], Status.RELEASING, [], id="and asked again"),
        pytest.param([BOTH, release(), release()], Status.RELEASING, [], id="and released again"),
        pytest.param([BOTH, release(), confirmed()], Status.RELEASING, [], id="and confirmed"),
        pytest.param(
            [BOTH, held(CUP, 2), release(), held(POT, 1)],
            Status.RELEASED,
            [*GIVEN_BACK, ("released", FAILED, *LINES)],
            id="until all have answered",
        ),
        pytest.param(
            [BOTH, release(), held(CUP, 2), short(POT, 1, 0)],
            Status.RELEASED,
            [("free", CUP, 2), ("released", FAILED, (CUP, 2))],
            id="only what was held is given back",
        ),
        pytest.param(
            [BOTH, held(CUP, 2), short(POT, 1, 0), release()],
            Status.RELEASED,
            [("released", FAILED)],
            id="released after it was refused",
        ),
        pytest.param([release()], Status.RELEASED, [("released", FAILED)], id="released before it was reserved"),
        pytest.param([cancelled()], Status.RELEASED, [("released", CANCELLED)], id="cancelled before it was reserved"),
        pytest.param([release(), BOTH], Status.RELEASED, [("unavailable",)], id="reserved after it was released"),
        pytest.param([release(reason=None)], Status.RELEASED, [("released", FAILED)], id="for no reason"),
        pytest.param(
            [release(reason=ReleaseReason.UNRECOGNIZED)],
            Status.RELEASED,
            [("released", FAILED)],
            id="for a reason that is too new for us",
        ),
        # Time
        pytest.param([*RESERVED, WAKE], Status.EXPIRED, [*GIVEN_BACK, ("released", EXPIRED, *LINES)], id="time is up"),
        pytest.param([*RESERVED, WAKE, BOTH], Status.EXPIRED, [("unavailable",)], id="asked after its time"),
        pytest.param(
            [*RESERVED, WAKE, release()], Status.RELEASED, [("released", FAILED, *LINES)], id="released after its time"
        ),
        pytest.param(
            [*RESERVED, WAKE, confirmed()],
            Status.CONFIRMING,
            [("hold", CUP, 2), ("hold", POT, 1)],
            id="confirmed after its time: sought anew",
        ),
        pytest.param(
            [*RESERVED, WAKE, confirmed(), held(POT, 1), held(CUP, 2)],
            Status.TAKEN,
            [("reserved", (POT, 1), (CUP, 2)), ("take", POT, 1), ("take", CUP, 2)],
            id="and found",
        ),
        pytest.param(
            [*RESERVED, WAKE, confirmed(), held(POT, 1), short(CUP, 2, 1)],
            Status.REFUSED,
            [("free", POT, 1), ("unavailable", (CUP, 2, 1))],
            id="and not found",
        ),
        pytest.param(
            [*RESERVED, WAKE, confirmed(), held(POT, 1), cancelled(), held(CUP, 2)],
            Status.RELEASED,
            [("free", POT, 1), ("free", CUP, 2), ("released", CANCELLED, (POT, 1), (CUP, 2))],
            id="and cancelled meanwhile",
        ),
        pytest.param(
            [*RESERVED, WAKE, release(reason=EXPIRED), confirmed()],
            Status.RELEASED,
            [],
            id="who releases for the reason of time means it for good",
        ),
        pytest.param([reserve(), WAKE, confirmed()], Status.TAKEN, [("reserved",)], id="of nothing all is found again"),
    ],
)
def test_a_reservation(messages: Sequence[AnyOf], status: Status, sends: list[tuple[object, ...]]) -> None:
    decision = after(*messages)
    assert decision.state is not None
    assert decision.state.status is status
    assert [essence(message) for message in decision.sends] == sends


@pytest.mark.parametrize("message", [held(CUP, 1), short(CUP, 1, 0), confirmed(), completed(), WAKE])
def test_what_was_never_reserved_leaves_no_trace(message: AnyOf) -> None:
    assert after(message) == Decision(None)


@pytest.mark.parametrize(
    ("messages", "timer", "expires"),
    [
        ([BOTH], None, None),
        ([BOTH, release()], None, None),
        (RESERVED, AT + RESERVATION_STAYS, None),
        ([*RESERVED, BOTH], AT + RESERVATION_STAYS, None),
        ([*RESERVED, confirmed()], None, AT + TAKEN_STAYS),
        ([*RESERVED, confirmed(), completed()], None, AT + TERMINAL_STAYS),
        ([*RESERVED, completed()], AT + RESERVATION_STAYS, None),
        ([*RESERVED, release()], None, AT + TERMINAL_STAYS),
        ([*RESERVED, WAKE], None, AT + TERMINAL_STAYS),
        ([BOTH, short(CUP, 2, 0), short(POT, 1, 0)], None, AT + TERMINAL_STAYS),
        ([release()], None, AT + TERMINAL_STAYS),
    ],
)
def test_its_deadline_goes_with_its_status(messages: Sequence[AnyOf], timer: int | None, expires: int | None) -> None:
    decision = after(*messages)
    assert (decision.timer, decision.expires) == (timer, expires)


def test_a_repeat_does_not_prolong_a_reservation() -> None:
    reserved = after(*RESERVED)
    assert decide(reserved.state, BOTH, AT + 60_000) == reserved


def test_its_answers_name_checkout_cart_and_time() -> None:
    (answer,) = after(*RESERVED).sends
    assert isinstance(answer, InventoryReserved)
    assert (answer.reservationId, answer.orderId, answer.cartId, answer.reservedAt) == (id_of(1), id_of(1), CART, AT)
    for refused in (after(reserve((CUP, 1)), short(CUP, 1, 0)), after(release(), BOTH)):
        (answer,) = refused.sends
        assert isinstance(answer, InventoryUnavailable)
        assert (answer.orderId, answer.cartId, answer.checkedAt) == (id_of(1), CART, AT)
    (answer,) = after(release()).sends
    assert isinstance(answer, InventoryReleased)
    assert (answer.reservationId, answer.orderId, answer.releasedAt) == (id_of(1), id_of(1), AT)


@pytest.mark.parametrize("messages", [[BOTH, held(CUP, 2), short(POT, 1, 0)], RESERVED, [*RESERVED, WAKE]])
def test_its_state_comes_back_from_bytes_as_it_was(messages: Sequence[AnyOf]) -> None:
    codec, entry = StateCodec(inventory), Entry(version=1, state=after(*messages).state)
    assert codec.decode(id_of(1), codec.encode(id_of(1), entry)) == entry


pieces = st.integers(1, 3)
products = st.sampled_from([CUP, POT])
anything = st.one_of(
    st.builds(lambda lines: reserve(*lines), st.lists(st.tuples(products, pieces), max_size=3)),
    st.builds(held, products, pieces),
    st.builds(short, products, pieces, st.just(0)),
    st.builds(release, reason=st.sampled_from([None, *ReleaseReason])),
    st.sampled_from([confirmed(), cancelled(), completed(), WAKE]),
)


@given(st.lists(anything, max_size=30))
def test_no_sequence_of_messages_makes_it_raise_or_give_back_what_it_does_not_hold(messages: list[AnyOf]) -> None:
    state: Reservation | None = None
    holds: dict[str, int] = {}
    sold: dict[str, int] = {}
    for message in messages:
        before = state
        decision = decide(state, message, AT)
        state = decision.state
        if isinstance(message, StockHeld) and before is not None and message.productId in before.awaited:
            holds[message.productId] = message.quantity
        for what, *rest in map(essence, decision.sends):
            match what, rest:
                case "free", [product, quantity]:
                    assert holds.pop(str(product)) == quantity
                case "take", [product, quantity]:
                    sold[str(product)] = holds.pop(str(product))
                    assert sold[str(product)] == quantity
                case "return", [product, quantity]:
                    assert sold.pop(str(product)) == quantity
        if isinstance(message, ReserveInventory | ReleaseInventory | OrderCancelled):
            assert state is not None
            asking = state.status in {Status.HOLDING, Status.CONFIRMING, Status.RELEASING}
            assert asking != any(isinstance(sent, ANSWERS) for sent in decision.sends)
        if state is not None and state.status in {Status.REFUSED, Status.EXPIRED, Status.RELEASED}:
            assert not holds
            assert not sold
