"""The audit passes what the services say, and breaks at whatever is lost of it: each rule alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.payments.gateway import Authorized, Refunded, Voided
from ops.audit import Rule, violations
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutFailureReason,
    CheckoutStarted,
    CheckoutStep,
    StartCheckout,
)
from schemas.examples import CHECKOUT, example_of
from schemas.identity import derived_id
from schemas.inventory import (
    AddInventory,
    FreeStock,
    InventoryAdjusted,
    InventoryReleased,
    InventoryReserved,
    OutOfStock,
    StockShort,
    UpdateInventory,
)
from schemas.message import Message
from schemas.orders import OrderStatusChanged, PlaceOrder
from schemas.payments import PaymentProcessed, RefundProcessed
from schemas.shopping import CheckoutCart
from tests.ops.audit.stories import CART, CUP, Story, add, cancelled, completed, counted, failed, sold_out

STORIES = (completed, failed, cancelled, sold_out, counted)
NOTHING = Story((), ())


def updated(**update: object) -> Callable[[Message], Message]:
    return lambda message: message.model_copy(update=update)


def second_checkout_of_the_attempt() -> Story:
    story, other = completed(), derived_id("another checkout")
    start, started = story.first(StartCheckout), story.first(CheckoutStarted)
    end = CheckoutFailed(
        checkoutId=other,
        cartId=start.cartId,
        customerId=start.customerId,
        step=CheckoutStep.RESERVE_INVENTORY,
        reason=CheckoutFailureReason.INVENTORY_UNAVAILABLE,
        compensated=(),
        failedAt=started.startedAt,
    )
    return story.and_also(*(each.model_copy(update={"checkoutId": other}) for each in (start, started)), end)


def authorized_twice() -> Story:
    story = completed()
    again = next(each for each in story.ledger if isinstance(each.outcome, Authorized))
    return replace(story, ledger=(*story.ledger, again))


def below_nothing() -> Story:
    """For a moment."""
    story = completed()
    fact = story.first(InventoryAdjusted)
    there = fact.new_quantity
    # Down to one less than nothing, and up to where it was.
    down = fact.model_copy(update={"adjusted_quantity": -there - 1, "new_quantity": -1})
    return story.and_also(down, fact.model_copy(update={"adjusted_quantity": there + 1}))


def said_otherwise() -> Story:
    story = completed()
    other = story.first(PaymentProcessed).model_copy(update={"timestamp": 1})
    return replace(story, messages=(*story.messages, other))


def bought_less() -> Story:
    story = completed()
    return story.changed(StartCheckout, updated(items=story.first(StartCheckout).items[:1]))


SPOILT: dict[Rule, Callable[[], Story]] = {
    Rule.CART_ANSWERED: lambda: NOTHING.and_also(example_of(CheckoutCart)),
    Rule.HANDED_OVER_ANSWERED: lambda: NOTHING.and_also(CART),
    Rule.ONE_CHECKOUT_AN_ATTEMPT: second_checkout_of_the_attempt,
    Rule.PLACED_ANSWERED: lambda: NOTHING.and_also(example_of(PlaceOrder)),
    Rule.STARTS: lambda: completed().without(CheckoutStarted),
    Rule.ENDS: lambda: failed().without(CheckoutFailed),
    Rule.ENDS_ONCE: lambda: completed().and_also(completed().first(CheckoutCompleted)),
    Rule.COMPLETED_FOR_GOOD: lambda: completed().without(InventoryReserved),
    Rule.DONE_IS_UNDONE: lambda: failed().changed(CheckoutFailed, updated(compensated=())),
    Rule.UNDONE_IS_CONFIRMED: lambda: failed().without(InventoryReleased),
    Rule.NO_STATUS_MISSING: lambda: cancelled().changed(OrderStatusChanged, updated(sequence=3)),
    Rule.NO_PIECE_STUCK: lambda: failed().without(FreeStock),
    Rule.SOLD_IS_BOUGHT: bought_less,
    Rule.STOCK_ADDS_UP: lambda: completed().changed(AddInventory, updated(quantity=11)),
    Rule.STOCK_FOLLOWS: lambda: completed().changed(InventoryAdjusted, updated(new_quantity=11)),
    Rule.STOCK_NOT_NEGATIVE: below_nothing,
    Rule.OUT_OF_STOCK_TOLD: lambda: sold_out().without(OutOfStock),
    Rule.OUT_OF_STOCK_TRUE: lambda: sold_out().changed(OutOfStock, updated(last_available_quantity=0)),
    Rule.FREED_IS_AVAILABLE: lambda: counted().changed(StockShort, updated(available=9)),
    Rule.MONEY_MOVES_ONCE: authorized_twice,
    Rule.PAID_IS_BOUGHT: lambda: cancelled().without(RefundProcessed).unmoved(Refunded),
    Rule.NO_MONEY_STUCK: lambda: failed().unmoved(Voided),
    Rule.TOLD_IS_MOVED: lambda: cancelled().without(RefundProcessed),
    Rule.REPEAT_IS_SAME: said_otherwise,
}


@pytest.mark.parametrize("story", STORIES)
def test_what_the_services_say_passes(story: Callable[[], Story]) -> None:
    assert story().broken() == set()


@pytest.mark.parametrize("rule", Rule)
def test_what_is_spoilt_in_one_place_breaks_the_rule_about_it_and_no_other(rule: Rule) -> None:
    assert SPOILT[rule]().broken() == {rule}


@given(data=st.data())
def test_neither_order_nor_repeats_matter(data: st.DataObject) -> None:
    story = counted()
    repeats = data.draw(st.lists(st.sampled_from(story.messages), max_size=20))
    messages = data.draw(st.permutations([*story.messages, *repeats]))
    assert violations(messages, story.ledger) == []


def test_a_gap_in_the_statuses_is_one_also_where_their_numbers_have_none() -> None:
    story = cancelled()
    fact = story.first(OrderStatusChanged)
    spoilt = story.changed(OrderStatusChanged, updated(newStatus=fact.newStatus.COMPLETED))
    assert spoilt.broken() == {Rule.NO_STATUS_MISSING}


def test_money_that_moved_for_a_checkout_that_nobody_knows_is_found() -> None:
    found = violations((), completed().ledger)
    assert {(each.rule, each.key) for each in found} == {
        (Rule.PAID_IS_BOUGHT, CHECKOUT),
        (Rule.TOLD_IS_MOVED, CHECKOUT),
    }


def test_a_violation_says_where_what_and_by_which_messages() -> None:
    story = failed().without(FreeStock)
    found = violations(story.messages, story.ledger)
    assert {each.key for each in found} == {CHECKOUT}
    assert f"2 pieces of {CUP} are held for it and neither freed nor sold" in {each.text for each in found}
    assert {type(message).__name__ for each in found for message in each.messages} == {"StockHeld"}


def test_while_something_is_under_way_only_what_can_never_be_is_a_violation() -> None:
    story = completed()
    for end in range(len(story.messages)):
        assert violations(story.messages[:end], story.ledger, settled=False) == []
    twice = SPOILT[Rule.ENDS_ONCE]()
    assert {each.rule for each in violations(twice.messages, (), settled=False)} == {Rule.ENDS_ONCE}


def test_what_was_refused_counts_for_nothing() -> None:
    correction = UpdateInventory(productId=CUP, quantityChange=-100, warehouseId=CUP, timestamp=1)
    wrong = NOTHING.and_also(add(CUP, 0), correction).messages
    story = completed()
    assert {each.rule for each in violations((*story.messages, *wrong), story.ledger)} == {Rule.STOCK_ADDS_UP}
    assert violations((*story.messages, *wrong), story.ledger, refused=[*wrong, *wrong]) == []
