"""The checkout API by examples: which carts are checked out, and what is said to those that aren't."""

from typing import Any

import pytest

from agents.checkout.decider import MOST_REMEMBERED, PRICED_WITHIN
from schemas.checkout import (
    CheckoutLine,
    CheckoutRejectionReason,
    StartCheckout,
)
from schemas.examples import CART, CUSTOMER, DISCOUNT, LINES, SUBTOTAL, TOTAL, example_of
from schemas.identity import checkout_id
from schemas.message import Message
from schemas.shopping import CartCheckedOut, CartCommand, CartRejectionReason
from streams.decision import Wake
from tests.agents.checkout.story import FIRST, SECOND, THIRD, Cart, command, completed, failed, priced, turned_down
from tests.agents.talk import START


def test_a_priced_cart_starts_the_checkout_with_all_that_its_steps_need() -> None:
    assert Cart(command()).hears(priced()) == [
        StartCheckout(
            checkoutId=FIRST,
            cartId=CART,
            attempt=1,
            customerId=CUSTOMER,
            items=tuple(
                CheckoutLine(productId=line["productId"], quantity=line["quantity"], unitPrice=line["unitPrice"])
                for line in LINES
            ),
            subtotal=SUBTOTAL,
            discount=DISCOUNT,
            total=TOTAL,
            currency="EUR",
        )
    ]


def test_command_and_priced_cart_may_come_in_either_order() -> None:
    command_first, cart_first = Cart(command(), priced()), Cart(priced(), command())
    assert command_first.state == cart_first.state
    assert cart_first.timer is None


def test_a_priced_cart_is_enough_by_itself_though_it_has_no_envelope() -> None:
    assert len(Cart().hears(priced(meta=None))) == 1


@pytest.mark.parametrize("between", [[], [failed()], [completed()], [failed(), priced(2), failed(SECOND)]])
def test_a_repeat_of_a_priced_cart_is_silent(between: list[Message]) -> None:
    cart = Cart(priced(), *between)
    assert cart.hears(priced()) == []


def test_only_the_latest_carts_are_remembered() -> None:
    cart = Cart()
    for attempt in range(1, MOST_REMEMBERED + 4):
        cart.hears(priced(attempt), failed(checkout_id(CART, attempt)))
    assert cart.state is not None
    assert len(cart.state.event_ids) == MOST_REMEMBERED


def test_a_second_cart_while_the_first_is_under_way_is_a_duplicate_of_it() -> None:
    cart = Cart(priced())
    told = cart.hears(priced(2))
    assert told == cart.rejected(CheckoutRejectionReason.DUPLICATE, "this cart's checkout is still under way", FIRST)


def test_a_cart_that_was_bought_is_not_bought_again() -> None:
    cart = Cart(priced(), completed())
    told = cart.hears(priced(2))
    assert told == cart.rejected(CheckoutRejectionReason.DUPLICATE, "this cart was bought already", FIRST)


def test_after_a_failure_the_next_attempt_has_an_id_of_its_own() -> None:
    cart = Cart(priced(), failed())
    (start,) = cart.hears(priced(2))
    assert isinstance(start, StartCheckout)
    assert (start.checkoutId, start.attempt) == (SECOND, 2)


def test_the_end_of_another_checkout_changes_nothing() -> None:
    cart = Cart(priced(), failed(), priced(2))
    before = cart.state
    assert cart.hears(failed(FIRST), completed(THIRD)) == []
    assert cart.state == before


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"subtotal": SUBTOTAL + 1}, f"the subtotal is {SUBTOTAL + 1}, but the lines add up to {SUBTOTAL}"),
        ({"total": TOTAL - 1}, f"the total is {TOTAL - 1}, but {SUBTOTAL} less a discount of {DISCOUNT} is {TOTAL}"),
        ({"subtotal": None, "total": 1}, f"the total is 1, but {SUBTOTAL} less a discount of {DISCOUNT} is {TOTAL}"),
        ({"discount": None}, f"the total is {TOTAL}, but {SUBTOTAL} less a discount of 0 is {SUBTOTAL}"),
    ],
)
def test_a_cart_that_does_not_add_up_is_turned_away_with_the_figures(fields: dict[str, Any], detail: str) -> None:
    cart = Cart()
    told = cart.hears(priced(**fields))
    assert told == cart.rejected(CheckoutRejectionReason.TOTALS_DO_NOT_ADD_UP, detail)
    assert len(cart.hears(priced(2))) == 1


def test_a_cart_with_nothing_in_it_is_turned_away() -> None:
    cart = Cart(command())
    told = cart.hears(priced(items=(), subtotal=0, discount=0, total=0))
    assert told == cart.rejected(CheckoutRejectionReason.EMPTY_CART, "there is nothing in the cart")


def test_a_cart_with_two_lines_of_one_product_is_turned_away() -> None:
    line = example_of(CartCheckedOut).items[0]
    cart = Cart()
    told = cart.hears(priced(items=(line, line), subtotal=None, discount=None, total=4 * line.unitPrice))
    detail = f"it has several lines of product {line.productId}: one line per product, with its quantity"
    assert told == cart.rejected(CheckoutRejectionReason.INVALID, detail)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (CartRejectionReason.EMPTY_CART, CheckoutRejectionReason.EMPTY_CART),
        (CartRejectionReason.ALREADY_CHECKED_OUT, CheckoutRejectionReason.DUPLICATE),
        (CartRejectionReason.PROMOTION_NOT_APPLICABLE, CheckoutRejectionReason.INVALID),
        (CartRejectionReason.UNRECOGNIZED, CheckoutRejectionReason.INVALID),
    ],
)
def test_a_cart_that_turns_the_command_down_is_turned_away(
    reason: CartRejectionReason, told: CheckoutRejectionReason
) -> None:
    cart = Cart(command())
    sent = cart.hears(turned_down(reason))
    assert sent == cart.rejected(told, "so")
    assert cart.timer is None
    assert cart.hears(command()) == []
    assert cart.timer is None


def test_a_command_for_a_cart_under_way_is_a_duplicate_of_it() -> None:
    cart = Cart(command(), priced(), command(2))
    sent = cart.hears(turned_down(CartRejectionReason.ALREADY_CHECKED_OUT, 2))
    assert sent == cart.rejected(CheckoutRejectionReason.DUPLICATE, "so", FIRST)


def test_a_cart_that_turns_down_something_else_is_none_of_our_business() -> None:
    cart = Cart()
    assert cart.hears(turned_down(CartRejectionReason.UNKNOWN_PRODUCT, command=CartCommand.ADD_ITEM)) == []
    assert cart.state is None


@pytest.mark.parametrize("end", [completed(), failed()])
def test_the_end_of_a_checkout_without_a_cart_leaves_nothing(end: Message) -> None:
    cart = Cart()
    assert cart.hears(end) == []
    assert cart.state is None


def test_a_command_that_is_not_priced_in_time_is_turned_away() -> None:
    cart = Cart(command())
    assert cart.timer == cart.at + PRICED_WITHIN
    told = list(cart.silence())
    detail = "no priced cart came within 30000 ms of the command"
    assert told == cart.rejected(CheckoutRejectionReason.NOT_PRICED, detail)
    assert cart.timer is None


def test_a_cart_that_is_priced_too_late_is_turned_away_again_and_not_bought() -> None:
    cart = Cart(command())
    cart.silence()
    told = cart.hears(priced())
    assert told == cart.rejected(
        CheckoutRejectionReason.NOT_PRICED, "the priced cart came after its command had been turned away"
    )
    assert cart.hears(command()) == []
    assert cart.timer is None


def test_a_command_waits_on_though_an_earlier_one_is_priced_too_late() -> None:
    cart = Cart(command())
    cart.silence()
    cart.hears(command(2))
    timer = cart.timer
    cart.hears(priced(1))
    assert cart.timer == timer
    (start,) = cart.hears(priced(2))
    assert isinstance(start, StartCheckout)


def test_a_command_that_is_said_again_is_not_waited_for_again() -> None:
    cart = Cart(command(), priced(), failed())
    assert cart.hears(command()) == []
    assert cart.timer is None


def test_a_wake_for_a_cart_that_nobody_knows_is_nothing() -> None:
    assert Cart().hear(Wake(START)) == ()
