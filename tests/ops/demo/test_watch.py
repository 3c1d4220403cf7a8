from itertools import permutations
from typing import Any

from ops.demo.watch import Stage, Watch, percentile
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutFailureReason,
    CheckoutRejected,
    CheckoutRejectionReason,
    CheckoutStep,
    StartCheckout,
)
from schemas.examples import example_of
from schemas.identity import checkout_id, derived_id
from schemas.inventory import ReserveInventory
from schemas.message import Message
from schemas.orders import OrderRejected, OrderRejectionReason
from schemas.payments import AuthorizePayment, VoidPayment
from schemas.shopping import CartCheckedOut

CART = derived_id("cart")
CHECKOUT = checkout_id(CART, 1)
SECOND = checkout_id(CART, 2)


def said(kind: type[Message], **fields: Any) -> Message:
    ids = {
        "cartId": CART,
        "checkoutId": CHECKOUT,
        "orderId": CHECKOUT,
        "paymentId": CHECKOUT,
        "reservationId": CHECKOUT,
    }
    known = {name: value for name, value in ids.items() if name in kind.model_fields}
    return example_of(kind).model_copy(update=known | fields)


def watched(*messages: tuple[int, Message]) -> Watch:
    watch = Watch()
    for at, message in messages:
        watch.saw(message, at)
    return watch


def test_a_cart_stands_where_the_furthest_of_its_messages_says_in_whatever_order_they_come() -> None:
    said_of_it = [(1, said(StartCheckout)), (2, said(ReserveInventory)), (3, said(AuthorizePayment))]
    for order in permutations(said_of_it):
        watch = watched(*order)
        assert watch.without_end([CART]) == {CART: "at AUTHORIZE_PAYMENT"}
        assert watch.tally().under_way == {Stage.AUTHORIZE_PAYMENT: 1}


def test_what_is_undone_is_no_longer_at_a_step() -> None:
    watch = watched((1, said(StartCheckout)), (2, said(VoidPayment)), (3, said(AuthorizePayment)))
    assert watch.without_end([CART]) == {CART: "at UNDOING"}


def test_a_cart_that_nobody_has_answered_is_not_over() -> None:
    assert watched((1, said(CartCheckedOut))).without_end([CART]) == {CART: "no answer yet"}


def test_an_end_ends_a_cart_before_its_beginning_was_heard_too() -> None:
    watch = watched((3, said(CheckoutCompleted)), (1, said(StartCheckout)))
    assert watch.without_end([CART]) == {}
    assert watch.tally().ended == 1


def test_a_cart_that_is_tried_again_is_not_over_until_the_second_checkout_is() -> None:
    first = [(1, said(StartCheckout)), (2, said(CheckoutFailed))]
    second = said(StartCheckout, checkoutId=SECOND, attempt=2)
    assert watched(*first, (3, second)).without_end([CART]) == {CART: "at STARTED"}
    assert watched((3, second), *first).without_end([CART]) == {CART: "at STARTED"}


def test_a_duplicate_that_is_turned_away_does_not_end_its_cart() -> None:
    rejected = said(CheckoutRejected, reason=CheckoutRejectionReason.DUPLICATE)
    watch = watched((1, rejected), (2, said(StartCheckout)))
    assert watch.without_end([CART]) == {CART: "at STARTED"}
    assert watch.tally().rejected == {"DUPLICATE": 1}


def test_what_was_turned_away_is_over_and_counts_once_however_often_it_is_said() -> None:
    rejected = said(CheckoutRejected, reason=CheckoutRejectionReason.EMPTY_CART)
    watch = watched((1, rejected), (2, rejected))
    assert watch.without_end([CART]) == {}
    assert watch.tally().rejected == {"EMPTY_CART": 1}


def test_an_order_rejected_within_a_checkout_is_a_step_of_that_and_one_from_outside_is_turned_away() -> None:
    inside = said(OrderRejected, reason=OrderRejectionReason.ALREADY_CANCELLED)
    assert watched((1, inside), (2, said(StartCheckout))).tally().rejected == {}
    outside = watched((1, inside))
    assert outside.tally().rejected == {"ALREADY_CANCELLED": 1}
    assert outside.without_end([CHECKOUT]) == {}


def test_failures_are_counted_by_step_and_by_the_gateways_own_word_for_it() -> None:
    declined = said(CheckoutFailed, detail="EXPIRED_CARD", compensated=(CheckoutStep.RESERVE_INVENTORY,))
    cancelled = said(
        CheckoutFailed,
        checkoutId=SECOND,
        reason=CheckoutFailureReason.CANCELLED,
        detail="the order was cancelled",
        compensated=(),
    )
    starts = [(1, said(StartCheckout)), (1, said(StartCheckout, checkoutId=SECOND, attempt=2))]
    tally = watched(*starts, (2, declined), (2, cancelled)).tally()
    assert tally.failed == {"AUTHORIZE_PAYMENT": {"EXPIRED_CARD": 1, "CANCELLED": 1}}
    assert (tally.completed, tally.compensated) == (0, 1)


def test_an_order_takes_from_its_cart_to_its_completion_and_a_second_attempt_is_not_measured_from_the_first() -> None:
    story = [
        (1_000, said(CartCheckedOut)),
        (9_000, said(CartCheckedOut)),  # again
        (1_020, said(StartCheckout)),
        (1_250, said(CheckoutCompleted)),
        (9_100, said(StartCheckout, checkoutId=SECOND, attempt=2)),
        (9_900, said(CheckoutCompleted, checkoutId=SECOND)),
    ]
    for order in (story, story[::-1]):
        tally = watched(*order).tally()
        assert (tally.p50_ms, tally.p99_ms) == (250, 250)


def test_checkouts_per_second_are_counted_from_the_first_start_to_the_last_end() -> None:
    story = [
        (1_000, said(StartCheckout)),
        (1_500, said(CheckoutCompleted)),
        (1_000, said(StartCheckout, checkoutId=SECOND, attempt=2)),
        (5_000, said(CheckoutCompleted, checkoutId=SECOND)),
    ]
    assert watched(*story).tally().sagas_per_s == 0.5


def test_a_percentile_is_one_of_the_values_and_of_none_there_is_none() -> None:
    assert percentile([], 50) is None
    assert [percentile([7], percent) for percent in (0, 50, 99, 100)] == [7, 7, 7, 7]
    hundred = list(range(1, 101))
    assert [percentile(hundred, percent) for percent in (50, 99, 100)] == [50, 99, 100]
    assert percentile([1, 2, 3], 50) == 2
