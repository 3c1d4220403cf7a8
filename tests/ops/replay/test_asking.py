"""What an operator may ask for, and what is said of the rest."""

import pytest

from ops.groups import GroupError, earlier
from ops.reading import Part
from ops.replay.errors import UnclearError
from ops.replay.span import Bound, bound
from ops.replay.where import condition
from schemas.examples import example_of
from schemas.message import Message
from schemas.orders import CreateOrder, OrderCancelled, OrderCreated
from schemas.payments import FraudCheckFailed
from schemas.subscriptions import CancelSubscription


@pytest.mark.parametrize(
    ("expression", "message", "holds"),
    [
        ("type=OrderCancelled", OrderCancelled, True),
        ("type=OrderCancelled", OrderCreated, False),
        ("type!=OrderCancelled", OrderCreated, True),
        ("total>1000", OrderCreated, True),
        ("total>1000", OrderCancelled, False),
        ("total<=1000", OrderCreated, False),
        (" total >= 7988 ", OrderCreated, True),
        ("currency=EUR", OrderCreated, True),
        ("currency!=EUR", OrderCreated, False),
        ("items.quantity=1", OrderCreated, True),
        ("items.quantity>2", OrderCreated, False),
        ("reason=CUSTOMER_REQUESTED", OrderCancelled, True),
        ("score>0.9", FraudCheckFailed, True),
        ("cancelImmediately=false", CancelSubscription, True),
        ("cancelImmediately=true", CancelSubscription, False),
        ("meta.causationId=example/cause", CreateOrder, True),
    ],
)
def test_a_condition_holds_or_not(expression: str, message: type[Message], *, holds: bool) -> None:
    assert condition(expression).holds(example_of(message)) is holds


@pytest.mark.parametrize("sign", ["=", "!=", "<", ">"])
def test_nothing_holds_of_a_field_that_is_empty(sign: str) -> None:
    bare = example_of(OrderCreated).model_copy(update={"meta": None})
    assert not condition(f"meta.messageId{sign}x").holds(bare)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "say field, comparison and value"),
        ("total", "say field, comparison and value"),
        ("__import__('os').system('true')=1", "say field, comparison and value"),
        ("totl>1000", "no message there has a field totl; did you mean total?"),
        ("items.__class__=x", "no message there has a field items.__class__"),
        ("total>much", "total is a number, 'much' is none"),
        ("cancelImmediately=1", "cancelImmediately is true or false"),
        ("type=OrderCanceled", "no such message travels there; did you mean OrderCancelled?"),
        ("type>Order", "a type is compared with = or != only"),
    ],
)
def test_a_condition_that_nothing_could_meet_is_corrected(expression: str, problem: str) -> None:
    with pytest.raises(UnclearError) as caught:
        condition(expression)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42", Bound(offset=42)),
        ("3:42", Bound(offset=42, partition=3)),
        ("2026-11-21T17:00", Bound(at=1_795_280_400_000)),
        ("2026-11-21T18:00+01:00", Bound(at=1_795_280_400_000)),
        ("2026-11-21T17:00:00.5Z", Bound(at=1_795_280_400_500)),
    ],
)
def test_a_place_is_a_time_or_an_offset(text: str, expected: Bound) -> None:
    assert bound(text) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "3:", ":42", "-1", "1:2:3"])
def test_any_other_place_is_corrected(text: str) -> None:
    with pytest.raises(UnclearError, match="is neither a time"):
        bound(text)


def test_a_group_goes_back_only_and_only_where_it_has_been() -> None:
    here, there = Part("topic", 0), Part("topic", 1)
    assert earlier("group", {here: 5}, {here: 3, there: 3}) == {here: 3}
    with pytest.raises(GroupError, match="would leave records out"):
        earlier("group", {here: 5}, {here: 6})
    with pytest.raises(GroupError, match="is its name right"):
        earlier("group", {}, {here: 6})
