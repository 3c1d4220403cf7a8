"""What is asked for at the shell, as messages."""

import pytest

from ops.wishes import EXAMPLE, Wish, WishError, line_of, messages_of
from schemas.identity import derived_id
from schemas.message import Message
from schemas.shopping import AddItemToCart, CartCheckedOut, CheckoutCart

CART = derived_id("cart")
LISTED = {EXAMPLE.productId: EXAMPLE}
OTHER = derived_id("not listed")
LINE = line_of(f"{EXAMPLE.productId}:2", LISTED)


def ids(messages: tuple[Message, ...]) -> list[str]:
    return [message.meta.messageId for message in messages if message.meta]


@pytest.mark.parametrize(
    ("item", "quantity", "price"),
    [
        (EXAMPLE.productId, 1, EXAMPLE.unitPrice),
        (f"{EXAMPLE.productId}:3", 3, EXAMPLE.unitPrice),
        (f"{EXAMPLE.productId}:3:5", 3, 5),
        (f"{OTHER}:1:0", 1, 0),
    ],
)
def test_an_item_is_a_product_its_pieces_and_its_price(item: str, quantity: int, price: int) -> None:
    line = line_of(item, LISTED)
    assert (line.productId, line.quantity, line.unitPrice) == (item[:36], quantity, price)


@pytest.mark.parametrize("item", ["", "shoes", f"{OTHER}:0:1", f"{OTHER}:1:1:1", OTHER, f"{OTHER}:2"])
def test_anything_else_is_refused_with_an_example(item: str) -> None:
    with pytest.raises(WishError, match=":1999"):
        line_of(item, LISTED)


def test_a_cart_adds_up_and_is_the_same_fact_again_for_the_same_attempt() -> None:
    first, again, next_one = (messages_of(Wish(), CART, (LINE,), "EUR", number) for number in (1, 1, 2))
    (cart,) = first
    assert isinstance(cart, CartCheckedOut)
    assert cart.total == 2 * EXAMPLE.unitPrice
    assert ids(first) == ids(again) == [cart.eventId]
    assert ids(first) != ids(next_one)


def test_a_shop_fills_the_cart_once_whatever_the_attempt() -> None:
    first, second = (messages_of(Wish(shop=True, code="SPRING10"), CART, (LINE,), "EUR", number) for number in (1, 2))
    assert [type(message) for message in first] == [AddItemToCart, CheckoutCart]
    assert ids(first)[0] == ids(second)[0]
    assert ids(first)[1] != ids(second)[1]
    assert isinstance(first[1], CheckoutCart)
    assert first[1].promotionCode == "SPRING10"
