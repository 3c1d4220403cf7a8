from typing import Any

import pytest

from agents.payments.gateway import Authorize, Capture, Refund, Void
from agents.payments.service import payments
from agents.payments.state import SETTLED_STAYS, TERMINAL_STAYS, Status
from schemas.identity import derived_id
from schemas.message import Message
from schemas.payments import (
    CaptureFailed,
    GatewayConfirmation,
    PaymentCaptured,
    PaymentFailed,
    PaymentFailureReason,
    PaymentMethod,
    PaymentOutcome,
    PaymentProcessed,
    PaymentVoided,
    RefundProcessed,
    RefundRequested,
)
from tests.agents.payments.stories import (
    AMOUNT,
    AUTHORIZE,
    AUTHORIZED,
    CANCELLED,
    CAPTURE,
    CAPTURED,
    COMPLETED,
    CUSTOMER,
    DECLINED,
    PAYMENT,
    REFUND,
    REFUND_ID,
    REFUNDED,
    REFUSED,
    UNDOS,
    VOID,
    VOIDED,
    a_payment,
    taking,
)
from tests.agents.talk import SECOND, START

HELD: list[Any] = [AUTHORIZE, AUTHORIZED]
TAKEN: list[Any] = [*HELD, CAPTURE, CAPTURED]
NOT_TAKEN: list[Any] = [*HELD, CAPTURE, REFUSED]
UNTOLD = PaymentFailureReason.PROCESSING_ERROR

THE_AUTHORIZATION = Authorize(PAYMENT, CUSTOMER or "", AMOUNT, "EUR")
THE_CAPTURE = Capture(PAYMENT, "auth-1", AMOUNT, "EUR")
THE_VOID = Void(PAYMENT, "auth-1", AMOUNT, "EUR")
THE_REFUND = Refund(PAYMENT, "auth-1", REFUND_ID, AMOUNT, "EUR")


def seconds(count: int) -> int:
    """The time of that message of a story."""
    return START + count * SECOND


def processed(at: int) -> PaymentProcessed:
    return PaymentProcessed(
        transactionId=derived_id("transaction", "auth-1"),
        userId=CUSTOMER or "",
        orderId=PAYMENT,
        amount=AMOUNT,
        currency="EUR",
        paymentMethod=PaymentMethod.CREDIT_CARD,
        status=PaymentOutcome.CONFIRMED,
        confirmationDetails=GatewayConfirmation(gatewayResponse="approved", transactionId="auth-1"),
        timestamp=at,
    )


def failed(reason: PaymentFailureReason, at: int) -> PaymentFailed:
    return PaymentFailed(paymentId=PAYMENT, orderId=PAYMENT, reason=reason, failedAt=at)


def captured(at: int, amount: int = AMOUNT) -> PaymentCaptured:
    return PaymentCaptured(paymentId=PAYMENT, orderId=PAYMENT, amount=amount, currency="EUR", capturedAt=at)


def capture_failed(reason: PaymentFailureReason, at: int) -> CaptureFailed:
    return CaptureFailed(paymentId=PAYMENT, orderId=PAYMENT, reason=reason, failedAt=at)


def voided(at: int) -> PaymentVoided:
    return PaymentVoided(paymentId=PAYMENT, orderId=PAYMENT, voidedAt=at)


def refund_requested(at: int, reason: str = "CHECKOUT_FAILED") -> RefundRequested:
    return RefundRequested(
        refundId=REFUND_ID,
        paymentId=PAYMENT,
        orderId=PAYMENT,
        amount=AMOUNT,
        currency="EUR",
        reason=reason,
        requestedAt=at,
    )


def refunded(at: int) -> RefundProcessed:
    return RefundProcessed(refundId=REFUND_ID, paymentId=PAYMENT, amount=AMOUNT, currency="EUR", processedAt=at)


def test_money_is_held_and_then_taken() -> None:
    payment = a_payment()
    assert payment.hear(AUTHORIZE) == ()
    assert payment.effects == [THE_AUTHORIZATION]
    assert payment.hear(AUTHORIZED) == (processed(seconds(2)),)
    assert payment.hear(CAPTURE) == ()
    assert payment.hear(CAPTURED) == (captured(seconds(4)),)
    assert payment.effects == [THE_AUTHORIZATION, THE_CAPTURE]


@pytest.mark.parametrize(
    ("story", "repeated", "answers"),
    [
        ([AUTHORIZE], AUTHORIZE, ()),
        (HELD, AUTHORIZE, (processed(seconds(2)),)),
        ([*HELD, CAPTURE], AUTHORIZE, (processed(seconds(2)),)),
        (TAKEN, AUTHORIZE, (processed(seconds(2)),)),
        (NOT_TAKEN, AUTHORIZE, (processed(seconds(2)),)),
        ([AUTHORIZE, DECLINED], AUTHORIZE, (failed(PaymentFailureReason.EXPIRED_CARD, seconds(2)),)),
        ([*HELD, CAPTURE], CAPTURE, ()),
        (TAKEN, CAPTURE, (captured(seconds(4)),)),
        (NOT_TAKEN, CAPTURE, (capture_failed(PaymentFailureReason.CARD_DECLINED, seconds(4)),)),
        ([*HELD, VOID], VOID, ()),
        ([*HELD, VOID, VOIDED], VOID, (voided(seconds(4)),)),
        ([*TAKEN, REFUND], REFUND, ()),
        ([*TAKEN, REFUND, REFUNDED], REFUND, (refunded(seconds(6)),)),
        ([VOID], VOID, (voided(seconds(1)),)),
    ],
)
def test_a_request_is_answered_again_with_the_same_once_there_is_an_answer_and_moves_nothing(
    story: list[Any], repeated: Message, answers: tuple[Message, ...]
) -> None:
    payment = a_payment().after(*story)
    state, effects = payment.state, [*payment.effects]
    assert payment.hear(repeated) == answers
    assert (payment.state, payment.effects) == (state, effects)


def test_a_repeat_that_names_another_amount_gets_the_first_one() -> None:
    payment = a_payment().after(*HELD)
    assert payment.hear(AUTHORIZE.model_copy(update={"amount": 1})) == (processed(seconds(2)),)
    assert payment.effects == [THE_AUTHORIZATION]


def test_a_declined_payment_says_why() -> None:
    assert a_payment().after(AUTHORIZE).hear(DECLINED) == (failed(PaymentFailureReason.EXPIRED_CARD, seconds(2)),)


def test_a_capture_that_is_refused_says_why_and_the_money_is_still_held() -> None:
    payment = a_payment().after(*HELD, CAPTURE)
    assert payment.hear(REFUSED) == (capture_failed(PaymentFailureReason.CARD_DECLINED, seconds(4)),)
    payment.hear(VOID)
    assert payment.effects[-1] == THE_VOID


@pytest.mark.parametrize(
    ("story", "asked"),
    [
        ([CAPTURE], CAPTURE),
        ([AUTHORIZE], CAPTURE),
        ([AUTHORIZE, DECLINED], CAPTURE),
        (HELD, taking(AMOUNT + 1)),
        (HELD, CAPTURE.model_copy(update={"currency": "USD"})),
        ([VOID], CAPTURE),
        ([*HELD, VOID], CAPTURE),
        ([*HELD, VOID, VOIDED], CAPTURE),
        ([*TAKEN, REFUND], CAPTURE),
        ([*TAKEN, REFUND, REFUNDED], CAPTURE),
    ],
)
def test_what_is_not_held_can_not_be_taken(story: list[Any], asked: Message) -> None:
    payment = a_payment().after(*story)
    state, effects = payment.state, [*payment.effects]
    assert payment.hear(asked) == (capture_failed(UNTOLD, payment.at),)
    assert (payment.state, payment.effects) == (state, effects)


def test_a_capture_of_a_payment_that_nobody_knows_is_answered_and_keeps_the_payment_possible() -> None:
    payment = a_payment()
    assert payment.hear(CAPTURE) == (capture_failed(UNTOLD, seconds(1)),)
    assert payment.state is not None, "an answer of a key that is forgotten at once could come under its id again"
    assert payment.expires == seconds(1) + TERMINAL_STAYS
    payment.hear(AUTHORIZE)
    assert payment.effects == [THE_AUTHORIZATION]
    assert payment.expires is None


def test_less_than_what_is_held_may_be_taken_and_that_much_goes_back() -> None:
    payment = a_payment().after(*HELD, taking(AMOUNT - 1))
    assert payment.effects[-1] == Capture(PAYMENT, "auth-1", AMOUNT - 1, "EUR")
    less = type(CAPTURED)("payments/2", type(CAPTURED.outcome)(AMOUNT - 1))
    assert payment.hear(less) == (captured(seconds(4), AMOUNT - 1),)
    payment.hear(REFUND)
    assert payment.effects[-1] == Refund(PAYMENT, "auth-1", REFUND_ID, AMOUNT - 1, "EUR")


@pytest.mark.parametrize("undo", UNDOS)
def test_an_undo_before_the_payment_is_answered_and_the_late_request_refused(undo: Message) -> None:
    payment = a_payment()
    assert payment.hear(undo) == (voided(seconds(1)),)
    assert payment.hear(AUTHORIZE) == (failed(UNTOLD, seconds(2)),)
    assert payment.effects == []


@pytest.mark.parametrize("undo", UNDOS)
def test_an_undo_of_a_declined_payment_has_nothing_to_do(undo: Message) -> None:
    payment = a_payment().after(AUTHORIZE, DECLINED)
    assert payment.hear(undo) == (voided(seconds(2)),)
    assert payment.effects == [THE_AUTHORIZATION]


@pytest.mark.parametrize("undo", UNDOS)
@pytest.mark.parametrize("story", [HELD, NOT_TAKEN])
def test_money_that_is_held_is_let_go_of(story: list[Any], undo: Message) -> None:
    payment = a_payment().after(*story)
    assert payment.hear(undo) == ()
    assert payment.effects[-1] == THE_VOID
    assert payment.hear(VOIDED) == (voided(payment.at),)
    assert payment.hear(AUTHORIZE) == (failed(UNTOLD, payment.at),)


@pytest.mark.parametrize(
    ("undo", "reason"),
    [
        (VOID, "CHECKOUT_FAILED"),
        (REFUND, "CHECKOUT_FAILED"),
        (CANCELLED, "ORDER_CANCELLED"),
        (VOID.model_copy(update={"reason": None}), "CHECKOUT_FAILED"),
    ],
)
def test_money_that_was_taken_is_given_back(undo: Message, reason: str) -> None:
    payment = a_payment().after(*TAKEN)
    assert payment.hear(undo) == (refund_requested(seconds(5), reason),)
    assert payment.effects[-1] == THE_REFUND
    assert payment.hear(REFUNDED) == (refunded(seconds(6)),)
    assert payment.hear(AUTHORIZE) == (failed(UNTOLD, seconds(7)),)


def test_a_refund_gives_back_all_that_was_taken_under_one_id_whatever_it_names() -> None:
    other = REFUND.model_copy(update={"refundId": derived_id("another"), "amount": 1})
    payment = a_payment().after(*TAKEN)
    assert payment.hear(other) == (refund_requested(seconds(5)),)
    assert payment.effects[-1] == THE_REFUND


@pytest.mark.parametrize("first", UNDOS)
@pytest.mark.parametrize("second", UNDOS)
@pytest.mark.parametrize(("story", "done", "answer"), [(HELD, VOIDED, voided), (TAKEN, REFUNDED, refunded)])
def test_whoever_asks_and_however_often_money_goes_back_once(
    story: list[Any], done: Any, answer: Any, first: Message, second: Message
) -> None:
    payment = a_payment().after(*story, first)
    asked = len(payment.effects)
    assert payment.hear(second) == ()
    payment.hear(done)
    done_at = payment.at
    assert payment.hear(second) == (answer(done_at),)
    assert len(payment.effects) == asked


@pytest.mark.parametrize("undo", UNDOS)
def test_an_undo_waits_for_the_authorization_and_undoes_it(undo: Message) -> None:
    payment = a_payment().after(AUTHORIZE)
    assert payment.hear(undo) == ()
    assert payment.hear(AUTHORIZED) == ()
    assert payment.effects == [THE_AUTHORIZATION, THE_VOID]
    assert payment.hear(VOIDED) == (voided(seconds(4)),)


def test_an_undo_that_waits_for_an_authorization_which_is_declined_is_answered_with_it() -> None:
    payment = a_payment().after(AUTHORIZE, VOID)
    assert payment.hear(DECLINED) == (failed(PaymentFailureReason.EXPIRED_CARD, seconds(3)), voided(seconds(3)))
    assert payment.effects == [THE_AUTHORIZATION]


@pytest.mark.parametrize("undo", UNDOS)
def test_an_undo_waits_for_the_capture_and_gives_the_money_back(undo: Message) -> None:
    payment = a_payment().after(*HELD, CAPTURE)
    assert payment.hear(undo) == ()
    reason = "ORDER_CANCELLED" if undo is CANCELLED else "CHECKOUT_FAILED"
    assert payment.hear(CAPTURED) == (captured(seconds(5)), refund_requested(seconds(5), reason))
    assert payment.effects[-1] == THE_REFUND


def test_of_several_undos_that_wait_the_first_gives_its_reason() -> None:
    payment = a_payment().after(*HELD, CAPTURE, CANCELLED, REFUND)
    assert payment.hear(CAPTURED)[1] == refund_requested(seconds(6), "ORDER_CANCELLED")


def test_an_undo_that_waits_for_a_capture_which_is_refused_lets_the_money_go() -> None:
    payment = a_payment().after(*HELD, CAPTURE, REFUND)
    assert payment.hear(REFUSED) == (capture_failed(PaymentFailureReason.CARD_DECLINED, seconds(5)),)
    assert payment.effects[-1] == THE_VOID


@pytest.mark.parametrize(
    ("story", "said"),
    [
        ([], AUTHORIZED),
        (HELD, AUTHORIZED),
        (HELD, DECLINED),
        (TAKEN, CAPTURED),
        (TAKEN, AUTHORIZED),
        (TAKEN, REFUSED),
        ([*HELD, VOID, VOIDED], VOIDED),
        ([*HELD, VOID, VOIDED], AUTHORIZED),
        ([*TAKEN, REFUND], CAPTURED),
        ([*TAKEN, REFUND, REFUNDED], REFUNDED),
        ([VOID], AUTHORIZED),
    ],
)
def test_what_the_gateway_says_twice_or_late_changes_nothing(story: list[Any], said: Any) -> None:
    payment = a_payment().after(*story)
    state, effects = payment.state, [*payment.effects]
    assert payment.hear(said) == ()
    assert (payment.state, payment.effects) == (state, effects)


def test_a_payment_without_a_customer_is_its_carts_guest() -> None:
    payment = a_payment().after(AUTHORIZE.model_copy(update={"customerId": None}))
    (authorization,) = payment.effects
    assert authorization.customer_id == derived_id("guest", AUTHORIZE.cartId)


@pytest.mark.parametrize(
    ("story", "stays"),
    [
        ([AUTHORIZE], None),
        (HELD, None),
        (TAKEN, None),
        (NOT_TAKEN, None),
        ([*HELD, VOID], None),
        ([AUTHORIZE, DECLINED], TERMINAL_STAYS),
        ([VOID], TERMINAL_STAYS),
        ([*HELD, VOID, VOIDED], TERMINAL_STAYS),
        ([*TAKEN, REFUND, REFUNDED], TERMINAL_STAYS),
        ([*TAKEN, COMPLETED], SETTLED_STAYS),
        ([*TAKEN, COMPLETED, REFUND], None),
    ],
)
def test_a_payment_that_has_ended_is_forgotten_later_and_repeats_do_not_keep_it(
    story: list[Any], stays: int | None
) -> None:
    payment = a_payment().after(*story)
    expires = None if stays is None else payment.at + stays
    assert payment.expires == expires
    payment.hear(AUTHORIZE)
    assert payment.expires == expires


@pytest.mark.parametrize("story", [[], [AUTHORIZE], HELD, [*TAKEN, REFUND]])
def test_an_order_that_is_completed_settles_only_what_was_taken(story: list[Any]) -> None:
    payment = a_payment().after(*story)
    state = payment.state
    assert payment.hear(COMPLETED) == ()
    assert payment.state == state


def test_a_settled_payment_can_still_be_refunded() -> None:
    payment = a_payment().after(*TAKEN, COMPLETED)
    assert payment.hear(REFUND) == (refund_requested(seconds(6)),)
    assert payment.state
    assert payment.state.status is Status.REFUNDING


def test_a_request_without_its_payment_is_a_dead_letter_that_says_so() -> None:
    with pytest.raises(ValueError, match=r"AuthorizePayment\.paymentId must be set"):
        a_payment().hear(AUTHORIZE.model_copy(update={"paymentId": None}))


def test_it_consumes_and_sends_what_the_contract_says_of_payments() -> None:
    assert all("payments" in message.contract.consumers for message in payments.consumes)
    assert all("payments" in message.contract.producers for message in payments.sends)
