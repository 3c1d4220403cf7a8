"""The gateway is away: nobody is lost, nobody else is held up, and then all goes on."""

import pytest

from agents.payments.gateway import Authorize, Authorized, Captured
from schemas.checkout import CheckoutCompleted
from schemas.inventory import InventoryReserved
from streams.effects import Circuit
from tests.sagas.cases import cart, cart_of, order_of
from tests.sagas.shop import Shop

pytestmark = [pytest.mark.connected]


def test_the_circuit_opens_while_the_gateway_is_away_and_then_every_checkout_goes_on(shop: Shop) -> None:
    names = [f"meets an outage {number}" for number in range(8)]
    payments = shop.engines["payments"]
    shop.gateway.away = True
    try:
        shop.publish(*map(cart, names))
        shop.until(lambda: payments.status().circuits.get(Authorize.__name__) is Circuit.OPEN)
        for name in names:
            shop.hears(InventoryReserved, order_of(name))
    finally:
        shop.gateway.away = False
    for name in names:
        shop.hears(CheckoutCompleted, cart_of(name))
    outcomes = [
        type(each.outcome) for each in shop.gateway.ledger.movements() if each.payment_id in map(order_of, names)
    ]
    assert outcomes.count(Authorized) == outcomes.count(Captured) == len(names)
    shop.until(lambda: payments.status().circuits[Authorize.__name__] is Circuit.CLOSED)  # told once a second
