"""Every service of the pipeline, where `orderflow worker` finds them."""

from typing import Any

from agents.cart.service import cart
from agents.checkout.service import checkout
from agents.inventory.service import inventory
from agents.orchestrator.service import orchestrator
from agents.order_state.service import order_state
from agents.orders.service import orders
from agents.payments.service import payments
from agents.stock.service import stock
from streams.service import Service

#: In the order that an order meets them. Who performs their effects is known to whoever runs them.
SERVICES: tuple[Service[Any, Any], ...] = (
    cart,
    checkout,
    orchestrator,
    inventory,
    stock,
    payments,
    orders,
    order_state,
)
