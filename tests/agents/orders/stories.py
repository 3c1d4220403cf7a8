"""One order, as its messages tell it."""

from agents.orders.service import orders
from agents.orders.state import Order
from schemas.examples import example_of
from schemas.orders import (
    CancellationReason,
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    PlacedPayment,
    PlaceOrder,
)
from schemas.shipping import ShipmentDelivered
from tests.agents.talk import Talk

CREATE, CONFIRM, CANCEL = example_of(CreateOrder), example_of(ConfirmOrder), example_of(CancelOrder)
PLACE, DELIVERED = example_of(PlaceOrder), example_of(ShipmentDelivered)
ORDER, CUSTOMER = PLACE.orderId, CREATE.customerId
#: A discount came off.
TOTAL, SUM = CREATE.total, PLACE.payment.amount

#: What the checkout of a placed order asks for: no cart, so its own id stands there.
CREATE_PLACED = CREATE.model_copy(update={"cartId": ORDER, "total": SUM})
CANCEL_FOR_FRAUD = CANCEL.model_copy(update={"reason": CancellationReason.FRAUD})
PLACE_ELSEWHERE = PLACE.model_copy(
    update={"shippingAddress": PLACE.shippingAddress.model_copy(update={"city": "Bremen"})}
)


def paid(amount: int) -> PlaceOrder:
    payment = PlacedPayment(paymentMethod="CreditCard", transactionId="t", amount=amount)
    return PLACE.model_copy(update={"payment": payment})


def costing(total: int) -> CreateOrder:
    return CREATE.model_copy(update={"total": total})


def an_order() -> Talk[Order]:
    return Talk(orders)
