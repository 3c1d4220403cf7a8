from typing import Any

from projections.folds.checkouts import MODEL
from projections.folds.fold import Place
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected, CheckoutStarted
from schemas.examples import example_of
from schemas.message import Message
from schemas.shopping import CartCheckedOut
from tests.projections.folds.shop import rows

STARTED, COMPLETED, FAILED = example_of(CheckoutStarted), example_of(CheckoutCompleted), example_of(CheckoutFailed)


def shown(table: str, *events: Message) -> list[dict[str, Any]]:
    told = ((Place("checkout", 0, offset, 1_000 + offset), event) for offset, event in enumerate(events))
    columns = next(each.columns for each in MODEL.tables if each.name == table)
    return [dict(zip(columns, row.values, strict=True)) for row in rows(MODEL, told) if row.table == table]


def test_a_checkout_that_has_started_has_no_end() -> None:
    (row,) = shown("checkouts", STARTED)
    assert (row["status"], row["ended_at"], row["started_at"]) == ("STARTED", None, STARTED.startedAt)


def test_a_completed_checkout_names_its_order() -> None:
    (row,) = shown("checkouts", STARTED, COMPLETED)
    assert (row["status"], row["order_id"], row["attempt"]) == ("COMPLETED", COMPLETED.orderId, STARTED.attempt)
    assert (row["ended_at"], row["version"]) == (COMPLETED.completedAt, 2)


def test_a_failed_checkout_says_where_why_and_what_was_undone() -> None:
    (row,) = shown("checkouts", STARTED, FAILED)
    assert row["compensated"] == tuple(step.value for step in FAILED.compensated)
    assert (row["status"], row["step"], row["reason"], row["detail"]) == (
        "FAILED",
        FAILED.step.value,
        FAILED.reason.value,
        FAILED.detail,
    )


def test_a_start_that_is_said_again_after_the_end_begins_nothing() -> None:
    (row,) = shown("checkouts", STARTED, COMPLETED, STARTED)
    assert (row["status"], row["ended_at"]) == ("COMPLETED", COMPLETED.completedAt)


def test_what_was_turned_away_is_listed_once() -> None:
    rejected = example_of(CheckoutRejected)
    later = rejected.model_copy(update={"rejectedAt": rejected.rejectedAt + 1})
    assert [row["rejected_at"] for row in shown("rejections", rejected, rejected, later)] == [
        rejected.rejectedAt,
        later.rejectedAt,
    ]


def test_a_cart_is_as_it_was_checked_out_last() -> None:
    cart = example_of(CartCheckedOut)
    (row,) = shown("carts", cart, cart.model_copy(update={"total": 1}))
    assert (row["total"], row["version"], len(row["items"])) == (1, 2, len(cart.items))
