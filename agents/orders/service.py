"""The declaration."""

from agents.orders.decider import decide
from agents.orders.state import Order
from schemas.checkout import StartCheckout
from schemas.orders import (
    OrderCancellationRejected,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
    OrderStatusChanged,
)
from streams.service import Service

orders = Service(
    name="orders",
    state=Order,
    decide=decide,
    sends=(
        StartCheckout,
        OrderCreated,
        OrderRejected,
        OrderConfirmed,
        OrderCancelled,
        OrderCancellationRejected,
        OrderCompleted,
        OrderStatusChanged,
    ),
)
