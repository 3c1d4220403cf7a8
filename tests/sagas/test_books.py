"""After all that happened in the shop: stock and money add up, and nobody was at a loss."""

import pytest

from agents.payments.gateway import Authorized, Captured, Refunded, Voided
from schemas.checkout import CheckoutRejected
from schemas.message import Message
from tests.sagas.books import differences
from tests.sagas.cases import STOCK
from tests.sagas.shop import Shop

pytestmark = [pytest.mark.connected]


def test_stock_and_money_add_up(shop: Shop) -> None:
    found: list[str] = []

    def balanced() -> bool:
        found[:] = differences(shop.states, shop.gateway.ledger.movements(), STOCK)
        return not found

    shop.until(balanced)


@pytest.mark.parametrize("kind", [Authorized, Captured, Voided, Refunded])
def test_the_gateway_moves_no_money_twice_whatever_became_of_its_answers(shop: Shop, kind: type) -> None:
    moved = [each.payment_id for each in shop.gateway.ledger.movements() if isinstance(each.outcome, kind)]
    assert len(moved) == len(set(moved))


def test_nothing_that_can_be_read_is_a_dead_letter(shop: Shop) -> None:
    assert [each for each in shop.dead_letters() if isinstance(each.message, Message)] == []


def test_a_checkout_ends_once(shop: Shop) -> None:
    ended = [end.checkoutId for end in shop.ends() if not isinstance(end, CheckoutRejected)]
    assert len(ended) == len(set(ended))
