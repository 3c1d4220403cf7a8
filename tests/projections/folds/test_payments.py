from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.folds.fold import Place, Table
from projections.folds.payments import MODEL, PAYMENTS, REFUNDS, Payment, PaymentEvent, fold, rows, subject
from schemas.examples import example_of
from schemas.message import Message
from schemas.payments import (
    CaptureFailed,
    PaymentCaptured,
    PaymentFailed,
    PaymentInitiated,
    PaymentOutcome,
    PaymentProcessed,
    PaymentVoided,
    RefundProcessed,
    RefundRequested,
)

INITIATED, PROCESSED, CAPTURED = example_of(PaymentInitiated), example_of(PaymentProcessed), example_of(PaymentCaptured)
FAILED, CAPTURE_FAILED, VOIDED = example_of(PaymentFailed), example_of(CaptureFailed), example_of(PaymentVoided)
REQUESTED, REFUNDED = example_of(RefundRequested), example_of(RefundProcessed)
PENDING = PROCESSED.model_copy(update={"status": PaymentOutcome.PENDING})
REFUSED = PROCESSED.model_copy(update={"status": PaymentOutcome.FAILED})


def payment(*events: PaymentEvent) -> Payment:
    state: Payment | None = None
    for offset, event in enumerate(events):
        state = fold(state, event, Place("payments", 0, offset, 1_000 + offset))
    assert state is not None
    return state


def shown(state: Payment, table: Table = PAYMENTS) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row.values, strict=True)) for row in rows(state) if row.table == table.name]


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ((INITIATED,), "PENDING"),
        ((PENDING,), "PENDING"),
        ((REFUSED,), "FAILED"),
        ((PROCESSED,), "AUTHORIZED"),
        ((PENDING, PROCESSED), "AUTHORIZED"),
        ((FAILED,), "FAILED"),
        ((PROCESSED, CAPTURED), "CAPTURED"),
        ((PROCESSED, VOIDED), "VOIDED"),
        ((PROCESSED, CAPTURED, REQUESTED), "REFUNDING"),
        ((PROCESSED, CAPTURE_FAILED), "CAPTURE_FAILED"),
        ((CAPTURE_FAILED,), "CAPTURE_FAILED"),
        ((PROCESSED, CAPTURE_FAILED, VOIDED), "VOIDED"),
        ((PROCESSED, CAPTURED, REQUESTED, REFUNDED), "REFUNDED"),
        # Asked for after it was undone: the answer is no, and it stays undone.
        ((VOIDED, FAILED), "VOIDED"),
        ((PROCESSED, CAPTURED, REQUESTED, REFUNDED, FAILED), "REFUNDED"),
        # Answered once more.
        ((PROCESSED, CAPTURED, PROCESSED), "CAPTURED"),
    ],
    ids=lambda each: "+".join(type(event).__name__ for event in each) if isinstance(each, tuple) else each,
)
def test_a_payment_stands_where_it_has_come_furthest(events: tuple[PaymentEvent, ...], status: str) -> None:
    assert shown(payment(*events))[0]["status"] == status


def test_a_payment_is_all_that_its_events_say() -> None:
    assert shown(payment(PROCESSED, CAPTURED)) == [
        {
            "payment_id": PROCESSED.orderId,
            "order_id": PROCESSED.orderId,
            "customer_id": PROCESSED.userId,
            "transaction_id": PROCESSED.transactionId,
            "amount": PROCESSED.amount,
            "captured_amount": CAPTURED.amount,
            "currency": "EUR",
            "method": "CreditCard",
            "status": "CAPTURED",
            "failure_reason": None,
            "initiated_at": None,
            "authorized_at": PROCESSED.timestamp,
            "captured_at": CAPTURED.capturedAt,
            "capture_failed_at": None,
            "failed_at": None,
            "voided_at": None,
            "refund_requested_at": None,
            "refunded_at": None,
            "changed_at": 1_001,
            "version": 2,
        }
    ]


def test_a_refund_is_a_row_of_its_own_from_its_request_on() -> None:
    (asked,), (paid,) = (
        shown(payment(*events), REFUNDS) for events in ((CAPTURED, REQUESTED), (CAPTURED, REQUESTED, REFUNDED))
    )
    assert (asked["status"], asked["processed_at"], asked["version"]) == ("REQUESTED", None, 2)
    assert (paid["status"], paid["processed_at"], paid["reason"]) == (
        "PROCESSED",
        REFUNDED.processedAt,
        REQUESTED.reason,
    )
    assert (paid["requested_at"], paid["version"]) == (REQUESTED.requestedAt, 3)


def test_who_begins_to_pay_changes_nothing_about_money_that_is_held() -> None:
    other = INITIATED.model_copy(update={"amount": 1})
    assert shown(payment(other))[0]["amount"] is None
    assert shown(payment(PROCESSED, other))[0]["amount"] == PROCESSED.amount


@given(st.permutations((PROCESSED, CAPTURED, REQUESTED, REFUNDED)))
def test_money_that_is_back_is_back_in_whatever_order_it_is_read(events: Sequence[PaymentEvent]) -> None:
    assert shown(payment(*events))[0]["status"] == "REFUNDED"


@pytest.mark.parametrize("message", MODEL.folds[0].messages, ids=lambda each: each.__name__)
def test_every_event_is_of_the_payment_that_its_record_is_keyed_by(message: type[Message]) -> None:
    example = example_of(message)
    assert subject(example) == example.record_key  # type: ignore[arg-type]  # those that the fold names
