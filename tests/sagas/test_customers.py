"""Customers who change their minds, ask twice, try again, or come from outside."""

import pytest

from agents.payments.gateway import Authorize, Capture
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutFailureReason,
    CheckoutRejected,
    CheckoutRejectionReason,
    CheckoutStarted,
)
from schemas.examples import example_of
from schemas.identity import derived_id
from schemas.orders import (
    CancellationReason,
    CancellationRejectionReason,
    CancelOrder,
    OrderCancellationRejected,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderRejected,
    OrderRejectionReason,
    PlacedItem,
    PlacedPayment,
    PlaceOrder,
)
from schemas.shipping import ShipmentDelivered
from tests.sagas.cases import (
    AUTHORIZE,
    CAPTURE,
    CREATE,
    CUP,
    PRICES,
    RARE,
    RESERVE,
    STOCK,
    cart,
    cart_of,
    order_of,
)
from tests.sagas.shop import Shop

pytestmark = [pytest.mark.connected]


def cancel(order_id: str) -> CancelOrder:
    return CancelOrder(orderId=order_id, reason=CancellationReason.CUSTOMER_REQUESTED)


def test_an_order_that_is_cancelled_while_its_payment_is_asked_for_never_exists(shop: Shop) -> None:
    name = "cancelled while authorizing"
    hold = shop.gateway.hold(Authorize, order_of(name))
    shop.publish(cart(name))
    shop.until(hold.reached.is_set)
    shop.publish(cancel(order_of(name)))
    shop.hears(OrderCancelled, order_of(name))
    hold.let_go.set()
    failed = shop.hears(CheckoutFailed, cart_of(name))
    assert (failed.step, failed.reason) == (AUTHORIZE, CheckoutFailureReason.CANCELLED)
    assert set(failed.compensated) == {AUTHORIZE, RESERVE}
    assert shop.messages(OrderCreated, order_of(name)) == []
    shop.settled("inventory", order_of(name), "RELEASED")
    shop.settled("payments", order_of(name), "VOIDED")
    shop.settled("orders", order_of(name), "CANCELLED")


def test_an_order_that_is_cancelled_while_its_money_is_taken_gets_it_back(shop: Shop) -> None:
    name = "cancelled while capturing"
    hold = shop.gateway.hold(Capture, order_of(name))
    shop.publish(cart(name))
    shop.until(hold.reached.is_set)
    shop.publish(cancel(order_of(name)))
    shop.hears(OrderCancelled, order_of(name))
    hold.let_go.set()
    failed = shop.hears(CheckoutFailed, cart_of(name))
    assert (failed.step, failed.reason) == (CAPTURE, CheckoutFailureReason.CANCELLED)
    assert set(failed.compensated) == {CAPTURE, CREATE, AUTHORIZE, RESERVE}
    shop.settled("inventory", order_of(name), "RELEASED")
    shop.settled("payments", order_of(name), "REFUNDED")


def test_a_confirmed_order_that_is_cancelled_gives_back_goods_and_money(shop: Shop) -> None:
    name = "cancelled when confirmed"
    shop.publish(cart(name))
    shop.hears(CheckoutCompleted, cart_of(name))
    shop.publish(cancel(order_of(name)))
    shop.settled("orders", order_of(name), "CANCELLED")
    shop.settled("inventory", order_of(name), "RELEASED")
    shop.settled("payments", order_of(name), "REFUNDED")


def test_a_delivered_order_can_not_be_cancelled(shop: Shop) -> None:
    name = "cancelled when delivered"
    shop.publish(cart(name))
    shop.hears(CheckoutCompleted, cart_of(name))
    shop.publish(ShipmentDelivered(shipmentId=derived_id("shipment", name), orderId=order_of(name)))
    shop.hears(OrderCompleted, order_of(name))
    shop.publish(cancel(order_of(name)))
    rejected = shop.hears(OrderCancellationRejected, order_of(name))
    assert rejected.reason is CancellationRejectionReason.COMPLETED
    shop.settled("payments", order_of(name), "CAPTURED")


def test_a_cart_that_is_checked_out_again_meanwhile_has_one_checkout(shop: Shop) -> None:
    name = "checked out meanwhile"
    hold = shop.gateway.hold(Authorize, order_of(name))
    shop.publish(cart(name))
    shop.until(hold.reached.is_set)
    shop.publish(cart(name), cart(name, again=1))
    rejected = shop.hears(CheckoutRejected, cart_of(name))
    hold.let_go.set()
    shop.hears(CheckoutCompleted, cart_of(name))
    assert (rejected.reason, rejected.checkoutId) == (CheckoutRejectionReason.DUPLICATE, order_of(name))
    assert len(shop.messages(CheckoutStarted, cart_of(name))) == 1
    assert len(shop.messages(CheckoutRejected, cart_of(name))) == 1


def test_a_cart_that_was_bought_is_not_sold_again(shop: Shop) -> None:
    name = "checked out afterwards"
    shop.publish(cart(name))
    shop.hears(CheckoutCompleted, cart_of(name))

    def refused() -> bool:
        """That it was bought reaches the checkout API a moment after us; until then it is still under way."""
        return shop.messages(CheckoutRejected, cart_of(name)) != []

    shop.publish(cart(name, again=1))
    shop.until(refused)
    (rejected,) = shop.messages(CheckoutRejected, cart_of(name))
    assert (rejected.reason, rejected.checkoutId) == (CheckoutRejectionReason.DUPLICATE, order_of(name))


def test_a_cart_whose_checkout_failed_may_be_checked_out_again(shop: Shop) -> None:
    name = "checked out after a failure"
    shop.publish(cart(name, ((RARE, STOCK[RARE] + 1),)))
    shop.hears(CheckoutFailed, cart_of(name))
    again = 0

    def completed() -> bool:
        # Until the checkout API has heard of the failure, it turns the cart down.
        nonlocal again
        if len(shop.messages(CheckoutRejected, cart_of(name))) == again:
            again += 1
            shop.publish(cart(name, again=again))
        return shop.messages(CheckoutCompleted, cart_of(name)) != []

    shop.until(completed)
    (completion,) = shop.messages(CheckoutCompleted, cart_of(name))
    assert completion.orderId == order_of(name, attempt=2)


def placed(name: str, *, agreed: int = PRICES[CUP]) -> PlaceOrder:
    item = PlacedItem(itemId=CUP, name="Espresso cup", quantity=1, price=PRICES[CUP])
    payment = PlacedPayment(paymentMethod="CreditCard", transactionId="theirs", amount=agreed)
    told = {"orderId": derived_id("placed", name), "items": (item,), "payment": payment, "meta": None}
    return example_of(PlaceOrder).model_copy(update=told)


def test_an_order_from_outside_goes_the_same_way(shop: Shop) -> None:
    order = placed("well")
    shop.publish(order, order)
    completed = shop.hears(CheckoutCompleted, order.orderId)
    assert completed.total == order.payment.amount
    shop.settled("orders", order.orderId, "CONFIRMED")
    shop.settled("inventory", order.orderId, "TAKEN")
    assert len(shop.messages(CheckoutStarted, order.orderId)) == 1


def test_an_order_from_outside_that_does_not_add_up_is_rejected(shop: Shop) -> None:
    order = placed("wrong", agreed=1)
    shop.publish(order)
    rejected = shop.hears(OrderRejected, order.orderId)
    assert rejected.reason is OrderRejectionReason.INVALID
    shop.settled("inventory", order.orderId, None)
