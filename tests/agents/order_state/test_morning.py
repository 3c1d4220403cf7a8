"""On the twin, with crashes: the last state of each order is what orders itself has of it."""

import pytest

from agents.orders.service import orders
from agents.orders.state import Status
from schemas.message import Message
from schemas.orders import OrderState
from schemas.topics import ORDERS_STATE
from tests.projections.folds.shop import morning


def last_of_each(messages: list[Message]) -> dict[str, OrderState]:
    return {message.orderId: message for message in messages if isinstance(message, OrderState)}


@pytest.mark.parametrize("seed", range(3))
def test_the_last_state_of_an_order_is_what_orders_has(seed: int) -> None:
    twin = morning(seed)
    found = last_of_each(twin.messages(ORDERS_STATE))
    known = {key: each for key, each in twin.states(orders).items() if each.status is not Status.PLACED}
    assert {key: (each.status.value, each.sequence) for key, each in found.items()} == {
        key: (each.status.value, each.sequence) for key, each in known.items()
    }
    for key, state in known.items():
        if state.created_at:
            assert (found[key].total, len(found[key].items)) == (state.purchase.total, len(state.purchase.lines))
