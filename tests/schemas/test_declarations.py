from uuid import UUID

import pytest

from schemas.examples import CART
from schemas.identity import checkout_id, derived_id
from schemas.message import Command
from schemas.orders import CancellationReason, CancelOrder
from schemas.topics import ORDERS_COMMANDS
from schemas.types import Symbols


def test_an_attempt_has_one_id_for_ever() -> None:
    # Pinned: orders out there carry it.
    assert checkout_id(CART, 1) == "2f0397fd-d87a-59d7-b6a3-e171647424aa"
    assert checkout_id(CART, 2) != checkout_id(CART, 1)


def test_parts_are_not_run_together() -> None:
    assert derived_id("ab", "c") != derived_id("a", "bc") != derived_id("abc")


def test_ids_are_canonical() -> None:
    assert str(UUID(derived_id("x"))) == derived_id("x")


def test_a_wrong_value_is_refused_with_its_field_and_itself() -> None:
    with pytest.raises(ValueError, match="orderId") as raised:
        CancelOrder(orderId="A" * 36, reason=CancellationReason.FRAUD)
    assert "A" * 36 in str(raised.value)


def test_a_key_that_is_no_field_is_refused_at_the_declaration() -> None:
    with pytest.raises(TypeError, match="key='orderNumber' is none of its fields"):

        class Mistyped(Command, topic=ORDERS_COMMANDS, key="orderNumber"):
            """A mistake."""


def test_a_command_without_a_topic_is_refused_at_the_declaration() -> None:
    with pytest.raises(TypeError, match="a command travels on one topic"):

        class Homeless(Command):
            """A mistake."""


def test_an_enum_without_unrecognized_is_refused_at_the_declaration() -> None:
    with pytest.raises(TypeError, match="or new symbols break old readers"):

        class Colour(Symbols):
            RED = "RED"
