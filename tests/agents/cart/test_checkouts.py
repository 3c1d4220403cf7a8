"""What becomes of a cart that was handed over."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.cart.decider import MOST_FAILED
from agents.cart.filling import MOST_LINES
from agents.cart.state import IDLE_STAYS, TERMINAL_STAYS, Status
from schemas.checkout import CheckoutRejectionReason
from schemas.message import Meta
from schemas.shopping import CartCheckedOut, CartCommandRejected, CartRejectionReason, CheckoutCart
from tests.agents.cart.shop import (
    CUP,
    FIRST,
    POT,
    SECOND,
    TIN,
    Heard,
    Shop,
    add,
    check_out,
    completed,
    duplicate,
    failed,
    listed,
    remove,
    turned_away,
)
from tests.agents.ids import id_of


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.hear(add(CUP))
    return shop


@pytest.mark.parametrize("command", [add(POT), remove(CUP), check_out()], ids=lambda it: type(it).__name__)
def test_while_it_is_handed_over_nothing_of_it_changes(shop: Shop, command: Heard) -> None:
    rejected = shop.refused(check_out(), command)
    assert rejected.reason is CartRejectionReason.ALREADY_CHECKED_OUT
    assert rejected.detail == "a checkout of the cart is under way"
    assert shop.expires == shop.at + IDLE_STAYS


@pytest.mark.parametrize(
    "end",
    [failed(), *map(turned_away, [CheckoutRejectionReason.INVALID, CheckoutRejectionReason.UNRECOGNIZED])],
    ids=str,
)
def test_it_opens_again_as_it_was_when_nothing_came_of_it(shop: Shop, end: Heard) -> None:
    first = shop.bill(check_out())
    assert shop.hear(end) == ()
    assert not shop.is_closed()
    again = shop.bill(check_out())
    assert again.items == first.items
    assert again.eventId != first.eventId


def test_it_is_closed_for_good_when_it_was_bought_and_forgotten_a_day_later(shop: Shop) -> None:
    shop.hear(check_out(), completed())
    bought_at = shop.at
    for message in (add(POT), remove(CUP), check_out()):
        rejected = shop.refused(message)
        assert rejected.reason is CartRejectionReason.ALREADY_CHECKED_OUT
        assert rejected.detail == "the cart was bought"
    for late in (completed(), failed(), turned_away(), failed(SECOND)):
        shop.hear(late)
        assert shop.is_closed()
        assert shop.expires == bought_at + TERMINAL_STAYS


def test_a_failure_that_is_told_again_does_not_open_what_was_handed_over_anew(shop: Shop) -> None:
    shop.hear(check_out(), failed(FIRST), check_out(), failed(FIRST))
    assert shop.is_closed()
    shop.hear(failed(SECOND))
    assert not shop.is_closed()


def test_a_rejection_opens_only_what_it_is_an_answer_to(shop: Shop) -> None:
    """A command that the cart refused is turned away by checkout-api, too; by then the cart may be handed over."""
    shop.refused(check_out("AUTUMN", name="first"))
    shop.bill(check_out(name="second"))
    shop.hear(turned_away(about="first"))
    assert shop.is_closed()
    shop.hear(turned_away(about="second"))
    assert not shop.is_closed()
    shop.hear(check_out(name="third"), turned_away(about="second"))
    assert shop.is_closed()


def test_a_conversation_that_a_producer_began_is_carried_on(shop: Shop) -> None:
    command = check_out(name="first")
    meta = Meta(messageId="first", correlationId="a visit")
    shop.hear(command.model_copy(update={"meta": meta}), turned_away(about="first"))
    assert shop.is_closed()
    shop.hear(turned_away(about="a visit"))
    assert not shop.is_closed()


def test_that_it_was_not_priced_in_time_opens_nothing_for_it_is_priced_now(shop: Shop) -> None:
    shop.hear(check_out(), turned_away(CheckoutRejectionReason.NOT_PRICED))
    assert shop.is_closed()
    shop.hear(failed())
    assert not shop.is_closed()


def test_a_duplicate_waits_for_the_end_of_the_checkout_that_it_duplicates(shop: Shop) -> None:
    """Somebody published the cart beside us, and that checkout is the one under way."""
    shop.hear(check_out(), duplicate(of=FIRST))
    assert shop.is_closed()
    shop.hear(failed(FIRST))
    assert not shop.is_closed()


def test_a_duplicate_of_a_checkout_that_has_failed_opens_for_nothing_else_will(shop: Shop) -> None:
    """Who rejected it had not heard of that failure yet, as two topics are read in any order."""
    shop.hear(check_out(), failed(FIRST), check_out(), duplicate(of=FIRST))
    assert not shop.is_closed()


def test_a_duplicate_that_is_told_again_opens_nothing(shop: Shop) -> None:
    shop.hear(check_out(name="first"), duplicate(of=FIRST, about="first"), failed(FIRST))
    shop.hear(check_out(name="second"), duplicate(of=FIRST, about="first"))
    assert shop.is_closed()


def test_a_failure_that_is_heard_while_the_cart_is_open_counts_once_all_the_same(shop: Shop) -> None:
    shop.hear(failed(FIRST), check_out(), failed(FIRST))
    assert shop.is_closed()
    shop.hear(duplicate(of=FIRST))
    assert not shop.is_closed()


def test_an_order_that_goes_well_closes_a_cart_that_was_opened_too_early(shop: Shop) -> None:
    shop.hear(check_out(), turned_away(), completed())
    assert shop.is_closed()


@pytest.mark.parametrize("end", [failed(), completed(), turned_away(), duplicate(FIRST)], ids=str)
def test_of_a_checkout_without_a_cart_of_ours_nothing_is_kept(end: Heard) -> None:
    shop = Shop()
    assert shop.hear(end) == ()
    assert shop.state is None


def test_a_cart_that_was_forgotten_and_comes_back_gives_its_checkouts_other_names() -> None:
    shops = Shop(), Shop()
    shops[1].at += IDLE_STAYS
    one, other = (shop.bill(add(CUP), check_out()) for shop in shops)
    assert one.cartId == other.cartId
    assert one.eventId != other.eventId


def test_only_so_many_failures_are_remembered(shop: Shop) -> None:
    for number in range(MOST_FAILED + 5):
        shop.hear(failed(id_of(1_000 + number)))
    assert shop.state is not None
    assert len(shop.state.failed) == MOST_FAILED


anything = st.one_of(
    st.builds(add, st.sampled_from([CUP, POT, TIN, id_of(99)]), st.integers(1, 3), st.sampled_from([None, 1_999])),
    st.builds(remove, st.sampled_from([CUP, POT]), st.none() | st.integers(1, 3)),
    st.builds(check_out, st.sampled_from([None, "SPRING", "AUTUMN"]), st.sampled_from([None, "first", "second"])),
    st.builds(failed, st.sampled_from([FIRST, SECOND])),
    st.builds(
        turned_away,
        st.sampled_from(CheckoutRejectionReason),
        st.sampled_from([None, FIRST, SECOND]),
        st.sampled_from([None, "first", "second"]),
    ),
    st.builds(listed, st.sampled_from([CUP, POT]), st.sampled_from([0, 1_999, 2**62]), st.sampled_from(["EUR", "CHF"])),
    st.sampled_from([completed(FIRST)]),
)


@given(st.lists(anything, max_size=30))
def test_whatever_it_hears_it_answers_each_command_at_most_once_and_adds_up(said: list[Any]) -> None:
    shop, bills, status = Shop(), list[CartCheckedOut](), Status.OPEN
    for each in said:
        if type(each).__name__ == "ProductListed":
            shop.list(each)
            continue
        answers = shop.hear(each)
        assert len(answers) == 1 or not isinstance(each, CheckoutCart)
        assert len(answers) <= 1
        for answer in answers:
            if isinstance(answer, CartCheckedOut):
                assert status is Status.OPEN
                assert answer.subtotal == sum(item.quantity * item.unitPrice for item in answer.items)
                assert answer.total == answer.subtotal - (answer.discount or 0)
                assert 1 <= len(answer.items) <= MOST_LINES
                assert len({item.productId for item in answer.items}) == len(answer.items)
                bills.append(answer)
            else:
                assert isinstance(answer, CartCommandRejected)
        after = shop.state.status if shop.state else Status.OPEN
        assert status is not Status.BOUGHT or after is Status.BOUGHT
        status = after
    assert len({bill.eventId for bill in bills}) == len(bills)
