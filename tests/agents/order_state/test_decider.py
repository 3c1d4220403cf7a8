"""What is told of an order: the whole of it, and only when it has changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.order_state.decider import ENDED_STAYS, OrderEvent
from agents.order_state.service import order_state
from agents.order_state.state import Known
from schemas.examples import LINES, example_of
from schemas.orders import (
    AmendedItem,
    CancellationReason,
    OrderAmended,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderedItem,
    OrderRejected,
    OrderRejectionReason,
    OrderState,
    OrderStatus,
    OrderStatusChanged,
    StatusAfter,
    StatusBefore,
)
from tests.agents.talk import SECOND, START, Talk

CREATED, CONFIRMED, COMPLETED = example_of(OrderCreated), example_of(OrderConfirmed), example_of(OrderCompleted)
CANCELLED, REJECTED = example_of(OrderCancelled), example_of(OrderRejected)
CUP, POT = (line["productId"] for line in LINES)


def changed(sequence: int, before: str, after: str) -> OrderStatusChanged:
    return example_of(OrderStatusChanged).model_copy(
        update={"sequence": sequence, "previousStatus": StatusBefore(before), "newStatus": StatusAfter(after)}
    )


def amended(revision: int, quantity: int) -> OrderAmended:
    item = AmendedItem(productId=POT, oldQuantity=1, newQuantity=quantity, unitPrice=4_990)
    return example_of(OrderAmended).model_copy(
        update={"revision": revision, "newTotal": quantity, "amendedItems": (item,)}
    )


TO_CONFIRMED, TO_COMPLETED = changed(1, "CREATED", "CONFIRMED"), changed(2, "CONFIRMED", "COMPLETED")
TO_CANCELLED = changed(1, "CREATED", "CANCELLED")
LIFE: tuple[OrderEvent, ...] = (CREATED, CONFIRMED, TO_CONFIRMED, amended(2, 3), COMPLETED, TO_COMPLETED)


def an_order(*events: OrderEvent) -> Talk[Known]:
    return Talk(order_state).after(*events)


def told(*events: OrderEvent) -> OrderState:
    """What the last of them leads to, which tells something new."""
    (state,) = an_order(*events[:-1]).hear(events[-1])
    assert isinstance(state, OrderState)
    return state


def test_an_order_is_told_whole_after_each_event() -> None:
    assert told(*LIFE) == OrderState(
        orderId=CREATED.orderId,
        customerId=CREATED.customerId,
        status=OrderStatus.COMPLETED,
        sequence=2,
        revision=2,
        items=(
            OrderedItem(productId=CUP, quantity=2, unitPrice=1_999),
            OrderedItem(productId=POT, quantity=3, unitPrice=4_990),
        ),
        total=3,
        currency="EUR",
        confirmationNumber=CONFIRMED.confirmationNumber,
        createdAt=CREATED.createdAt,
        confirmedAt=CONFIRMED.confirmedAt,
        completedAt=COMPLETED.completedAt,
        updatedAt=START + len(LIFE) * SECOND,
    )


@given(st.data())
def test_what_is_said_once_more_is_not_told_once_more(data: st.DataObject) -> None:
    end = data.draw(st.integers(1, len(LIFE)))
    repeat = data.draw(st.sampled_from(LIFE[:end]))
    assert an_order(*LIFE[:end]).hear(repeat) == ()


def test_what_left_an_order_is_not_among_its_items() -> None:
    assert [item.productId for item in told(CREATED, amended(2, 0)).items] == [CUP]


def test_an_order_that_is_cancelled_before_it_exists_has_no_items_and_no_total() -> None:
    state = told(CANCELLED.model_copy(update={"customerId": None}))
    assert (state.status, state.items, state.total, state.customerId) == (OrderStatus.CANCELLED, (), None, None)


def test_a_cancelled_order_keeps_what_was_bought() -> None:
    state = told(CREATED, CANCELLED, TO_CANCELLED)
    assert (state.status, state.total, state.sequence) == (OrderStatus.CANCELLED, CREATED.total, 1)
    assert state.cancellationReason is CANCELLED.reason


def test_what_was_rejected_says_why() -> None:
    state = told(REJECTED)
    assert (state.status, state.rejectionReason) == (OrderStatus.REJECTED, REJECTED.reason)
    assert told(REJECTED, CANCELLED).status is OrderStatus.CANCELLED


def test_another_order_of_its_id_that_is_turned_down_is_no_news_of_it() -> None:
    conflict = REJECTED.model_copy(update={"reason": OrderRejectionReason.CONFLICTING_ORDER})
    assert an_order(CREATED).hear(conflict) == ()


@pytest.mark.parametrize("late", [CANCELLED, CREATED, CONFIRMED], ids=lambda each: type(each).__name__)
def test_a_completed_order_stays_completed(late: OrderEvent) -> None:
    assert an_order(*LIFE).hear(late) == ()


def test_a_hold_that_is_told_leads_back_when_it_is_released() -> None:
    hold, release = changed(2, "CONFIRMED", "ON_HOLD"), changed(3, "ON_HOLD", "CONFIRMED")
    assert told(CREATED, CONFIRMED, TO_CONFIRMED, hold).status is OrderStatus.ON_HOLD
    assert told(CREATED, CONFIRMED, TO_CONFIRMED, hold, release).status is OrderStatus.CONFIRMED


def test_a_status_that_only_newer_code_knows_is_not_told_and_the_next_one_is() -> None:
    order = an_order(CREATED)
    assert order.hear(changed(1, "CREATED", "UNRECOGNIZED")) == ()
    (state,) = order.hear(changed(2, "UNRECOGNIZED", "CONFIRMED"))
    assert isinstance(state, OrderState)
    assert (state.status, state.sequence) == (OrderStatus.CONFIRMED, 2)


def test_a_reason_that_only_newer_code_knows_is_left_out() -> None:
    unknown = CANCELLED.model_copy(update={"reason": CancellationReason.UNRECOGNIZED})
    assert told(CREATED, unknown).cancellationReason is None


def test_only_an_ended_order_is_forgotten_in_the_end() -> None:
    assert an_order(CREATED, CONFIRMED).expires is None
    assert an_order(CREATED, CANCELLED).expires == START + 2 * SECOND + ENDED_STAYS
