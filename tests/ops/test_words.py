"""What a line says of a message."""

import pytest

from ops.words import STATES, money, words
from schemas.catalogue import RECORDS
from schemas.checkout import CheckoutFailed, CheckoutStarted
from schemas.examples import example_of
from schemas.inventory import HoldStock, InventoryUnavailable
from schemas.message import Message
from schemas.orders import OrderStatusChanged


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (CheckoutStarted, "attempt 1, 79.88 EUR"),
        (CheckoutFailed, "AUTHORIZE_PAYMENT, PAYMENT_FAILED, the card was declined, undone: RESERVE_INVENTORY"),
        (OrderStatusChanged, "CREATED to CONFIRMED"),
    ],
)
def test_what_matters_is_said_in_a_few_words(message: type[Message], said: str) -> None:
    assert words(example_of(message)) == said


def test_what_is_short_is_said_with_its_figures() -> None:
    said = words(example_of(InventoryUnavailable))
    assert "2 of " in said
    assert " asked for, 1 there" in said


def test_a_product_is_named() -> None:
    hold = example_of(HoldStock)
    assert words(hold) == f"{hold.quantity} pieces, product {hold.productId}"


@pytest.mark.parametrize("message", RECORDS, ids=lambda message: message.__name__)
def test_there_are_words_for_every_message(message: type[Message]) -> None:
    assert isinstance(words(example_of(message)), str)


def test_every_state_is_told_by_one_message_alone() -> None:
    assert len(set(STATES.values())) == len(STATES)


def test_money_is_said_in_major_units() -> None:
    assert money(123_456_789, "EUR") == "1,234,567.89 EUR"
