"""The saga by examples: what it asks for, what it takes back and in which order, and what it says at its end."""

import pytest

from agents.orchestrator.place_order import WITHIN, place_order
from agents.orchestrator.saga import LONGEST_PAUSE, MOST_ASKS, MOST_UNDOS, TERMINAL_STAYS
from agents.orchestrator.service import orchestrator
from agents.orchestrator.state import Phase
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutFailureReason,
    CheckoutStarted,
    CheckoutStep,
    StartCheckout,
)
from schemas.examples import CART, CHECKOUT, CUSTOMER, LINES, TOTAL, example_of
from schemas.identity import derived_id
from schemas.inventory import ReleaseInventory, ReleaseReason, ReserveInventory, StockLine
from schemas.message import Message
from schemas.orders import (
    CancellationReason,
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    OrderCancellationRejected,
    OrderLine,
)
from schemas.payments import (
    AuthorizePayment,
    CapturePayment,
    RefundPayment,
    ReversalReason,
    VoidPayment,
)
from tests.agents.orchestrator.story import (
    AUTHORIZE,
    CANCELLED,
    CAPTURE,
    CAPTURED,
    CONFIRM,
    CONFIRMED,
    CREATE,
    CREATED,
    DECLINED,
    EXPIRED,
    NOT_CAPTURED,
    PARTS,
    PENDING,
    PROCESSED,
    REFUNDED,
    REJECTED,
    RELEASED,
    RESERVE,
    RESERVED,
    START,
    STEPS,
    UNAVAILABLE,
    VOIDED,
    Saga,
    asked,
    kinds,
)

COMPLETED_ANSWERS = [PARTS[step].ok for step in STEPS]
ANSWERS = [RESERVED, UNAVAILABLE, PROCESSED, PENDING, DECLINED, CREATED, REJECTED, CAPTURED, NOT_CAPTURED, CONFIRMED,
           RELEASED, VOIDED, REFUNDED, CANCELLED, example_of(OrderCancellationRejected)]  # fmt: skip


def failed(saga: Saga) -> CheckoutFailed:
    """Its end."""
    ends = [message for message in saga.sent if isinstance(message, CheckoutFailed | CheckoutCompleted)]
    assert len(ends) == 1
    assert isinstance(ends[0], CheckoutFailed)
    assert saga.checkout.phase is Phase.FAILED
    assert saga.timer is None
    return ends[0]


def undone(saga: Saga) -> list[type[Message]]:
    """Let it undo what it wants to, each step answered at once; what it asked for."""
    asked_for: list[type[Message]] = []
    while saga.checkout.phase is Phase.UNDOING:
        assert saga.checkout.asked is not None
        part = PARTS[saga.checkout.asked]
        asked_for.append(part.undo)
        assert isinstance(saga.sent[-1], part.undo)
        saga.hears(part.undone)
    return asked_for


def test_it_consumes_all_that_the_saga_waits_for() -> None:
    assert set(orchestrator.consumes) == {StartCheckout, *place_order.answers}


def test_each_step_is_asked_for_once_the_one_before_is_done() -> None:
    saga = Saga()
    started, reserve = saga.hears(START)
    assert started == CheckoutStarted(
        checkoutId=CHECKOUT,
        cartId=CART,
        attempt=1,
        customerId=CUSTOMER,
        total=TOTAL,
        currency="EUR",
        startedAt=saga.at,
    )
    assert reserve == ReserveInventory(
        reservationId=CHECKOUT,
        cartId=CART,
        customerId=CUSTOMER,
        items=tuple(StockLine(productId=line["productId"], quantity=line["quantity"]) for line in LINES),
    )
    assert saga.hears(RESERVED) == [
        AuthorizePayment(paymentId=CHECKOUT, cartId=CART, customerId=CUSTOMER, amount=TOTAL, currency="EUR")
    ]
    assert saga.hears(PROCESSED) == [
        CreateOrder(
            orderId=CHECKOUT,
            cartId=CART,
            customerId=CUSTOMER,
            items=tuple(
                OrderLine(productId=line["productId"], quantity=line["quantity"], unitPrice=line["unitPrice"])
                for line in LINES
            ),
            total=TOTAL,
            currency="EUR",
            paymentAuthorizationId=PROCESSED.transactionId,
        )
    ]
    assert saga.hears(CREATED) == [CapturePayment(paymentId=CHECKOUT, orderId=CHECKOUT, amount=TOTAL, currency="EUR")]
    assert saga.hears(CAPTURED) == [
        ConfirmOrder(orderId=CHECKOUT, paymentAuthorizationId=PROCESSED.transactionId, inventoryReservationId=CHECKOUT)
    ]
    assert saga.timer == saga.at + WITHIN
    assert saga.hears(CONFIRMED) == [
        CheckoutCompleted(
            checkoutId=CHECKOUT,
            cartId=CART,
            customerId=CUSTOMER,
            orderId=CHECKOUT,
            total=TOTAL,
            currency="EUR",
            completedAt=saga.at,
        )
    ]
    assert [saga.checkout.phase, saga.timer, saga.expires] == [Phase.COMPLETED, None, saga.at + TERMINAL_STAYS]


@pytest.mark.parametrize(
    ("step", "reason", "detail", "undo", "compensated"),
    [
        (
            RESERVE,
            CheckoutFailureReason.INVENTORY_UNAVAILABLE,
            "; ".join(f"product {line['productId']}: {line['quantity']} asked for, {line['available']} available"
                      for line in LINES),
            [],
            (),
        ),
        (AUTHORIZE, CheckoutFailureReason.PAYMENT_FAILED, "CARD_DECLINED", [ReleaseInventory], (RESERVE,)),
        (
            CREATE,
            CheckoutFailureReason.ORDER_REJECTED,
            "its cancellation came first",
            [VoidPayment, ReleaseInventory],
            (AUTHORIZE, RESERVE),
        ),
        (
            CAPTURE,
            CheckoutFailureReason.CAPTURE_FAILED,
            "CARD_DECLINED",
            [CancelOrder, VoidPayment, ReleaseInventory],
            (CREATE, AUTHORIZE, RESERVE),
        ),
    ],
)  # fmt: skip
def test_a_refusal_undoes_what_was_done_last_first(
    step: CheckoutStep,
    reason: CheckoutFailureReason,
    detail: str,
    undo: list[type[Message]],
    compensated: tuple[CheckoutStep, ...],
) -> None:
    saga = asked(step)
    refusal = PARTS[step].no
    assert refusal is not None
    saga.hears(refusal)
    assert undone(saga) == undo
    assert failed(saga) == CheckoutFailed(
        checkoutId=CHECKOUT,
        cartId=CART,
        customerId=CUSTOMER,
        step=step,
        reason=reason,
        detail=detail,
        compensated=compensated,
        failedAt=saga.at,
    )
    assert saga.expires == saga.at + TERMINAL_STAYS


def test_what_is_taken_back_says_why() -> None:
    saga = asked(CAPTURE)
    assert saga.hears(NOT_CAPTURED, CANCELLED, VOIDED) == [
        CancelOrder(orderId=CHECKOUT, reason=CancellationReason.PAYMENT_FAILED),
        VoidPayment(paymentId=CHECKOUT, orderId=CHECKOUT, reason=ReversalReason.CHECKOUT_FAILED),
        ReleaseInventory(reservationId=CHECKOUT, reason=ReleaseReason.CHECKOUT_FAILED),
    ]
    cancelled = asked(CAPTURE)
    assert cancelled.hears(CANCELLED, REFUNDED) == [
        RefundPayment(
            refundId=derived_id("refund", CHECKOUT),
            paymentId=CHECKOUT,
            orderId=CHECKOUT,
            amount=TOTAL,
            currency="EUR",
            reason=ReversalReason.ORDER_CANCELLED,
        ),
        ReleaseInventory(reservationId=CHECKOUT, reason=ReleaseReason.ORDER_CANCELLED),
    ]


def test_a_reservation_that_was_given_back_before_it_came_says_so() -> None:
    saga = asked(RESERVE)
    saga.hears(UNAVAILABLE.model_copy(update={"unavailableItems": ()}))
    assert failed(saga).detail == "the reservation had been given back"


#: What is taken back when nobody answers a step: the step itself may have been done.
IN_DOUBT: dict[CheckoutStep, list[type[Message]]] = {
    RESERVE: [ReleaseInventory],
    AUTHORIZE: [VoidPayment, ReleaseInventory],
    CREATE: [CancelOrder, VoidPayment, ReleaseInventory],
    CAPTURE: [RefundPayment, CancelOrder, ReleaseInventory],
    CONFIRM: [CancelOrder, RefundPayment, ReleaseInventory],
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_nobody_answers_is_asked_for_three_times_and_then_undone_as_if_it_were_done(
    step: CheckoutStep,
) -> None:
    saga = asked(step)
    first = saga.sent[-1]
    assert saga.silences(MOST_ASKS - 1) == [first] * (MOST_ASKS - 1)
    saga.silence()
    assert saga.checkout.phase is Phase.UNDOING
    assert undone(saga) == IN_DOUBT[step]
    end = failed(saga)
    assert (end.step, end.reason) == (step, CheckoutFailureReason.TIMED_OUT)
    assert end.detail == "no answer to 3 requests, each 120000 ms apart"
    assert set(end.compensated) == {*STEPS[: STEPS.index(step)], step}


@pytest.mark.parametrize("step", STEPS)
def test_an_answer_to_the_last_request_goes_on(step: CheckoutStep) -> None:
    saga = asked(step)
    saga.silences(MOST_ASKS - 1)
    saga.hears(*COMPLETED_ANSWERS[STEPS.index(step) :])
    assert saga.checkout.phase is Phase.COMPLETED


@pytest.mark.parametrize("step", STEPS)
def test_a_success_that_comes_while_it_is_being_undone_is_no_news(step: CheckoutStep) -> None:
    saga = asked(step)
    saga.silences(MOST_ASKS)
    before = saga.state
    assert saga.hears(PARTS[step].ok) == []
    assert saga.state == before
    assert undone(saga) == IN_DOUBT[step]


@pytest.mark.parametrize("step", [step for step in STEPS if PARTS[step].no])
def test_a_success_that_follows_a_refusal_while_undoing_is_undone_too(step: CheckoutStep) -> None:
    saga = asked(step)
    refusal = PARTS[step].no
    assert refusal is not None
    saga.hears(refusal)
    if step is RESERVE:  # it is over already
        assert kinds(saga.hears(PARTS[step].ok)) == [ReleaseInventory]
        return
    first = saga.checkout.asked
    assert first is not None
    assert saga.hears(PARTS[step].ok) == []
    saga.hears(PARTS[first].undone)
    undone(saga)
    assert step in failed(saga).compensated


@pytest.mark.parametrize("step", STEPS)
def test_a_success_that_comes_after_the_end_is_undone(step: CheckoutStep) -> None:
    saga = asked(step)
    saga.silences(MOST_ASKS)
    while saga.checkout.phase is Phase.UNDOING:  # nobody answers any more
        saga.silence()
    assert failed(saga).compensated == ()
    expires = saga.expires
    assert kinds(saga.hears(PARTS[step].ok)) == [PARTS[step].undo]
    assert (saga.timer, saga.expires) == (None, expires)


@pytest.mark.parametrize("step", STEPS)
def test_a_success_is_nothing_new_after_an_end_at_which_it_was_undone(step: CheckoutStep) -> None:
    saga = asked(step)
    saga.silences(MOST_ASKS)
    undone(saga)
    assert saga.hears(PARTS[step].ok) == []


def test_money_that_is_still_being_thought_about_is_too_late_after_the_end() -> None:
    saga = Saga(START, UNAVAILABLE)
    assert kinds(saga.hears(PENDING)) == [VoidPayment]


@pytest.mark.parametrize("step", STEPS)
def test_repeats_of_earlier_answers_change_nothing(step: CheckoutStep) -> None:
    saga = asked(step)
    before, timer = saga.state, saga.timer
    assert saga.hears(START, *COMPLETED_ANSWERS[: STEPS.index(step)]) == []
    assert (saga.state, saga.timer) == (before, timer)


@pytest.mark.parametrize("step", STEPS)
def test_answers_to_steps_that_are_yet_to_come_change_nothing(step: CheckoutStep) -> None:
    saga = asked(step)
    before, timer = saga.state, saga.timer
    later = STEPS[STEPS.index(step) + 1 :]
    early = [answer for each in later for answer in (PARTS[each].ok, PARTS[each].no) if answer is not None]
    assert saga.hears(*early) == []
    assert (saga.state, saga.timer) == (before, timer)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_nothing_changes_a_checkout_that_is_completed(answer: Message) -> None:
    saga = Saga(START, *COMPLETED_ANSWERS)
    before, expires = saga.state, saga.expires
    assert saga.hears(answer, START) == []
    assert (saga.state, saga.timer, saga.expires) == (before, None, expires)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_an_answer_about_a_checkout_that_nobody_knows_is_ignored(answer: Message) -> None:
    saga = Saga()
    assert saga.hears(answer) == []
    assert saga.state is None


def test_a_failed_checkout_is_not_started_again() -> None:
    saga = Saga(START, UNAVAILABLE)
    assert saga.hears(START) == []
    assert failed(saga).checkoutId == CHECKOUT


@pytest.mark.parametrize("step", STEPS)
def test_a_cancelled_order_is_undone_from_wherever_it_is(step: CheckoutStep) -> None:
    saga = asked(step)
    saga.hears(CANCELLED)
    wanted = [undo for undo in IN_DOUBT[step] if undo is not CancelOrder]
    assert undone(saga) == wanted
    end = failed(saga)
    assert (end.step, end.reason, end.detail) == (step, CheckoutFailureReason.CANCELLED, "the order was cancelled")
    assert set(end.compensated) == set(STEPS[: STEPS.index(step) + 1])


@pytest.mark.parametrize("step", [AUTHORIZE, CREATE, CAPTURE, CONFIRM])
def test_a_cancel_in_the_midst_of_undoing_keeps_the_first_reason(step: CheckoutStep) -> None:
    saga = asked(step)
    saga.silences(MOST_ASKS)
    saga.hears(CANCELLED)
    left = undone(saga)
    assert CancelOrder not in left
    assert failed(saga).reason is CheckoutFailureReason.TIMED_OUT


def test_a_cancel_after_a_failure_changes_nothing() -> None:
    saga = Saga(START, UNAVAILABLE)
    before = saga.state
    assert saga.hears(CANCELLED) == []
    assert saga.state == before


@pytest.mark.parametrize("step", [AUTHORIZE, CREATE, CAPTURE, CONFIRM])
def test_a_reservation_that_expires_on_the_way_fails_the_checkout(step: CheckoutStep) -> None:
    saga = asked(step)
    saga.hears(EXPIRED)
    assert undone(saga) == [undo for undo in IN_DOUBT[step] if undo is not ReleaseInventory]
    end = failed(saga)
    assert (end.step, end.reason) == (step, CheckoutFailureReason.INVENTORY_UNAVAILABLE)
    assert end.detail == "the reservation expired before the order was confirmed"


@pytest.mark.parametrize(("step", "heard"), [(CREATE, VOIDED), (CAPTURE, VOIDED), (CONFIRM, REFUNDED)])
def test_money_that_goes_back_unasked_tells_of_a_cancel_before_the_order_does(
    step: CheckoutStep, heard: Message
) -> None:
    saga = asked(step)
    saga.hears(heard)
    assert undone(saga) == [CancelOrder, ReleaseInventory]
    assert failed(saga).reason is CheckoutFailureReason.CANCELLED


def test_the_order_is_called_off_before_its_money_goes_back() -> None:
    saga = asked(CONFIRM)
    saga.silences(MOST_ASKS)
    assert kinds(saga.sent[-1:]) == [CancelOrder]
    assert kinds(saga.hears(CANCELLED)) == [RefundPayment]


@pytest.mark.parametrize("stopped", [False, True])
def test_an_order_that_can_not_be_called_off_any_more_was_bought(stopped: bool) -> None:
    saga = asked(CONFIRM)
    saga.hears(EXPIRED) if stopped else saga.silences(MOST_ASKS)
    assert kinds(saga.hears(example_of(OrderCancellationRejected))) == [CheckoutCompleted]
    assert (saga.checkout.phase, saga.checkout.failure) == (Phase.COMPLETED, None)


def test_money_goes_back_once_for_both_its_steps() -> None:
    saga = asked(CAPTURE)
    saga.silences(MOST_ASKS)
    assert saga.hears(REFUNDED) != []
    assert saga.checkout.undone == (CAPTURE, AUTHORIZE)


@pytest.mark.parametrize("step", STEPS)
def test_an_undo_that_nobody_answers_is_given_up_after_ten_tries_and_left_out(step: CheckoutStep) -> None:
    saga = asked(step)
    saga.silences(MOST_ASKS)
    stuck = PARTS[step]
    began = saga.at
    assert kinds(saga.silences(MOST_UNDOS - 1)) == [stuck.undo] * (MOST_UNDOS - 1)
    # Two minutes and four, and then five at a time.
    assert saga.timer is not None
    assert saga.timer - began == 360_000 + 8 * LONGEST_PAUSE
    saga.silence()
    undone(saga)
    assert step not in failed(saga).compensated


def test_a_pending_payment_is_waited_for_and_asked_about_but_not_for_ever() -> None:
    saga = asked(AUTHORIZE)
    timer = saga.timer
    assert saga.hears(PENDING) == []
    assert saga.timer == timer
    assert kinds(saga.silence()) == [AuthorizePayment]
    assert kinds(saga.hears(PENDING, PROCESSED)) == [CreateOrder]
    forever = asked(AUTHORIZE)
    forever.hears(PENDING)
    forever.silences(MOST_ASKS)
    assert undone(forever) == [VoidPayment, ReleaseInventory]
    assert failed(forever).reason is CheckoutFailureReason.TIMED_OUT


def test_a_wake_that_comes_late_counts_from_then_on() -> None:
    saga = asked(RESERVE)
    saga.at += 10 * WITHIN
    saga.silence()
    assert saga.timer == saga.at + WITHIN
