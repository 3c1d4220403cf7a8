"""The whole way from an empty cart, as a shop goes it: by commands to the cart, priced by the price list."""

import pytest

from schemas.checkout import CheckoutCompleted, CheckoutRejected, CheckoutRejectionReason, CheckoutStarted
from schemas.identity import derived_id
from schemas.message import Message
from schemas.shopping import (
    AddItemToCart,
    CartCommandRejected,
    CartRejectionReason,
    CheckoutCart,
    RemoveItemFromCart,
)
from tests.sagas.cases import CUP, POT, PRICES, UNKNOWN, cart_of, order_of
from tests.sagas.shop import CODE, Shop

pytestmark = [pytest.mark.connected]


def add(name: str, product: str, pieces: int = 1, price: int | None = None) -> AddItemToCart:
    return AddItemToCart(cartId=cart_of(name), productId=product, quantity=pieces, unitPrice=price)


def checkout(name: str, code: str | None = None) -> CheckoutCart:
    return CheckoutCart(cartId=cart_of(name), customerId=derived_id("customer of", name), promotionCode=code)


def test_what_is_put_into_a_cart_is_bought_at_the_listed_price(shop: Shop) -> None:
    name = "filled by hand"
    shop.publish(add(name, CUP, 3), RemoveItemFromCart(cartId=cart_of(name), productId=CUP, quantity=1))
    shop.publish(add(name, POT), checkout(name))
    completed = shop.hears(CheckoutCompleted, cart_of(name))
    assert completed.total == 2 * PRICES[CUP] + PRICES[POT]
    shop.settled("orders", order_of(name), "CONFIRMED")
    shop.settled("inventory", order_of(name), "TAKEN")


def test_a_promotion_comes_off(shop: Shop) -> None:
    name = "with a code"
    shop.publish(add(name, CUP, 10), checkout(name, CODE))
    assert shop.hears(CheckoutCompleted, cart_of(name)).total == 9 * PRICES[CUP]


@pytest.mark.parametrize(
    ("name", "filling", "refused"),
    [
        ("left empty", (), ()),
        ("of what nobody sells", (UNKNOWN, 1, None), CartRejectionReason.UNKNOWN_PRODUCT),
        ("at another price", (CUP, 1, 1), CartRejectionReason.PRICE_DIFFERS),
    ],
)
def test_a_cart_that_stayed_empty_is_not_checked_out(
    shop: Shop, name: str, filling: tuple[str, int, int | None], refused: CartRejectionReason | None
) -> None:
    said: list[Message] = [add(name, *filling)] if filling else []
    shop.publish(*said, checkout(name))
    rejected = shop.hears(CheckoutRejected, cart_of(name))
    assert rejected.reason is CheckoutRejectionReason.EMPTY_CART
    reasons = {each.reason for each in shop.messages(CartCommandRejected, cart_of(name))}
    assert reasons == {CartRejectionReason.EMPTY_CART} | ({refused} if refused else set())


def test_a_second_checkout_of_a_cart_is_a_duplicate(shop: Shop) -> None:
    name = "bought by two clicks"
    shop.publish(add(name, CUP), checkout(name), checkout(name))
    shop.hears(CheckoutCompleted, cart_of(name))
    assert shop.hears(CheckoutRejected, cart_of(name)).reason is CheckoutRejectionReason.DUPLICATE
    assert len(shop.messages(CheckoutStarted, cart_of(name))) == 1
