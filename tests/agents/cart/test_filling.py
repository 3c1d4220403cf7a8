import pytest

from agents.cart.filling import MOST_LINES
from agents.cart.state import IDLE_STAYS
from schemas.shopping import CartCommand, CartLine, CartRejectionReason
from schemas.types import INT_MAX, LONG_MAX
from tests.agents.cart.shop import CART, CUP, CUSTOMER, POT, TIN, Shop, add, check_out, listed, remove
from tests.agents.ids import id_of


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_cart_is_handed_over_with_what_was_put_in_at_the_prices_of_the_list(shop: Shop) -> None:
    bill = shop.bill(add(CUP), add(POT, price=4_990), add(CUP, 2, price=1_999), remove(CUP, 1), check_out())
    assert bill.items == (
        CartLine(productId=CUP, quantity=2, unitPrice=1_999),
        CartLine(productId=POT, quantity=1, unitPrice=4_990),
    )
    assert (bill.subtotal, bill.discount, bill.total, bill.currency) == (8_988, 0, 8_988, "EUR")
    assert (bill.cartId, bill.customerId, bill.occurredAt) == (CART, CUSTOMER, shop.at)


def test_what_is_not_in_the_list_is_not_put_in_and_no_cart_is_opened_for_it(shop: Shop) -> None:
    rejected = shop.refused(add(id_of(99)))
    assert (rejected.command, rejected.reason) == (CartCommand.ADD_ITEM, CartRejectionReason.UNKNOWN_PRODUCT)
    assert rejected.productId == id_of(99)
    assert shop.state is None


def test_a_price_that_the_customer_did_not_see_is_not_charged(shop: Shop) -> None:
    rejected = shop.refused(add(CUP, price=1_899))
    assert (rejected.reason, rejected.productId) == (CartRejectionReason.PRICE_DIFFERS, CUP)
    assert "costs 1999 EUR" in rejected.detail
    assert "saw 1899" in rejected.detail


def test_a_cart_is_in_one_currency_that_of_what_came_in_first(shop: Shop) -> None:
    rejected = shop.refused(add(CUP), add(TIN))
    assert (rejected.reason, rejected.productId) == (CartRejectionReason.CURRENCIES_DIFFER, TIN)
    assert rejected.detail == f"{TIN} is sold in CHF, and the cart is in EUR"
    assert shop.bill(remove(CUP), add(TIN), check_out()).currency == "CHF"


def test_a_cart_holds_so_many_products(shop: Shop) -> None:
    products = [id_of(100 + number) for number in range(MOST_LINES + 1)]
    for product in products:
        shop.list(listed(product, 1))
    rejected = shop.refused(*map(add, products))
    assert (rejected.reason, rejected.productId) == (CartRejectionReason.TOO_MUCH, products[-1])
    assert len(shop.bill(add(products[0]), check_out()).items) == MOST_LINES


@pytest.mark.parametrize(("price", "most"), [(1, INT_MAX), (LONG_MAX // 3, 3)])
def test_a_cart_holds_no_more_than_its_figures_can_say(shop: Shop, price: int, most: int) -> None:
    shop.list(listed(CUP, price))
    rejected = shop.refused(add(CUP, most), add(CUP))
    assert (rejected.reason, rejected.productId) == (CartRejectionReason.TOO_MUCH, CUP)
    assert shop.bill(check_out()).total == most * price


def test_nothing_is_taken_out_that_is_not_in(shop: Shop) -> None:
    for rejected in (shop.refused(remove(CUP)), shop.refused(add(POT), remove(CUP, 1))):
        assert (rejected.command, rejected.reason) == (CartCommand.REMOVE_ITEM, CartRejectionReason.NOT_IN_CART)
        assert rejected.productId == CUP
    assert shop.refused(remove(POT, 2)).detail == f"2 of {POT} to take out, and 1 in the cart"


def test_an_empty_cart_is_not_handed_over(shop: Shop) -> None:
    for rejected in (shop.refused(check_out()), shop.refused(add(CUP), remove(CUP, 1), check_out())):
        assert (rejected.command, rejected.reason) == (CartCommand.CHECK_OUT, CartRejectionReason.EMPTY_CART)
        assert rejected.customerId == CUSTOMER


def test_a_cart_is_priced_anew_when_it_is_handed_over(shop: Shop) -> None:
    shop.hear(add(CUP, 2), add(POT))
    shop.list(listed(CUP, 2_100))
    assert shop.bill(check_out()).total == 2 * 2_100 + 4_990


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (None, CartRejectionReason.UNKNOWN_PRODUCT),
        (listed(CUP, 1_999, "CHF"), CartRejectionReason.CURRENCIES_DIFFER),
    ],
)
def test_what_left_the_list_meanwhile_is_not_sold(shop: Shop, now: object, reason: CartRejectionReason) -> None:
    shop.hear(add(POT), add(CUP))
    shop.unlist(CUP)
    if now is not None:
        shop.list(listed(CUP, 1_999, "CHF"))
    rejected = shop.refused(check_out())
    assert (rejected.command, rejected.reason, rejected.productId) == (CartCommand.CHECK_OUT, reason, CUP)
    assert shop.bill(remove(CUP), check_out()).total == 4_990


def test_a_cart_that_its_new_prices_make_too_dear_to_count_is_not_handed_over(shop: Shop) -> None:
    shop.hear(add(CUP, 2))
    shop.list(listed(CUP, LONG_MAX))
    assert shop.refused(check_out()).reason is CartRejectionReason.TOO_MUCH


def test_a_promotion_is_taken_off_what_the_cart_costs(shop: Shop) -> None:
    bill = shop.bill(add(CUP), check_out("SPRING"))
    assert (bill.subtotal, bill.discount, bill.total) == (1_999, 199, 1_800)


@pytest.mark.parametrize(("code", "why"), [("AUTUMN", "nothing is offered under AUTUMN"), ("SPRING", "1000 and more")])
def test_a_code_that_does_not_hold_is_told_of_and_nothing_is_sold(shop: Shop, code: str, why: str) -> None:
    shop.list(listed(CUP, 500))
    rejected = shop.refused(add(CUP), check_out(code))
    assert rejected.reason is CartRejectionReason.PROMOTION_NOT_APPLICABLE
    assert why in rejected.detail
    assert shop.bill(check_out()).total == 500


def test_an_open_cart_is_forgotten_a_month_after_it_was_touched_last(shop: Shop) -> None:
    shop.hear(add(CUP))
    assert shop.expires == shop.at + IDLE_STAYS
    shop.refused(remove(POT))
    assert shop.expires == shop.at + IDLE_STAYS
