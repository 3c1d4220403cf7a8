from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.promotion.rules import Inapplicable, discount
from schemas.shopping import CalculateDiscount, Discount, DiscountType, PromotionOffered
from schemas.types import LONG_MAX
from tests.agents.ids import AT, id_of

TENTH = PromotionOffered(code="SPRING", discountType=DiscountType.PERCENTAGE, percent=10)
FIVE_OFF = PromotionOffered(code="FIVE", discountType=DiscountType.AMOUNT_OFF, amount=500)


def ask(promotion: PromotionOffered | None, subtotal: int = 1_999, **changes: Any) -> Discount | Inapplicable:
    fields = {"currency": "EUR", "promotionCode": promotion.code if promotion else "NONE"} | changes
    return discount(promotion, CalculateDiscount(cartId=id_of(1), subtotal=subtotal, **fields), AT)


def but(promotion: PromotionOffered, **changes: Any) -> PromotionOffered:
    return promotion.model_copy(update=changes)


@pytest.mark.parametrize(
    ("promotion", "subtotal", "off"),
    [
        (TENTH, 1_999, 199),  # in the customer's disfavour, by less than a cent
        (TENTH, 9, 0),
        (but(TENTH, percent=100), 1_999, 1_999),
        (but(TENTH, percent=99), LONG_MAX, LONG_MAX * 99 // 100),
        (FIVE_OFF, 1_999, 500),
        (FIVE_OFF, 499, 499),
        (FIVE_OFF, 0, 0),
        (but(FIVE_OFF, currency="EUR"), 1_999, 500),
        (but(FIVE_OFF, minimum=1_999), 1_999, 500),
        (but(FIVE_OFF, validFrom=AT, validUntil=AT + 1), 1_999, 500),
    ],
)
def test_a_promotion_that_holds_takes_off_what_it_says(promotion: PromotionOffered, subtotal: int, off: int) -> None:
    assert ask(promotion, subtotal) == Discount(discount=off, appliedPromotions=(promotion.code,))


@pytest.mark.parametrize(
    ("promotion", "reason"),
    [
        (None, "nothing is offered under NONE"),
        (but(TENTH, validFrom=AT + 1), "SPRING is not valid yet"),
        (but(TENTH, validUntil=AT), "SPRING is not valid any more"),
        (but(TENTH, currency="CHF"), "SPRING is for CHF, and the cart is in EUR"),
        (but(TENTH, minimum=2_000), "SPRING is for 2000 and more, and the subtotal is 1999"),
        (but(TENTH, percent=None), "SPRING does not say what it takes off"),
        (but(FIVE_OFF, amount=None), "FIVE does not say what it takes off"),
        (but(TENTH, discountType=DiscountType.UNRECOGNIZED), "SPRING does not say what it takes off"),
    ],
)
def test_a_promotion_that_does_not_hold_says_why(promotion: PromotionOffered | None, reason: str) -> None:
    found = ask(promotion)
    assert isinstance(found, Inapplicable)
    assert found.reason.startswith(reason)


def test_without_a_code_nothing_is_taken_off_and_nothing_is_wrong() -> None:
    assert ask(None, promotionCode=None) == Discount(discount=0)


amounts = st.integers(0, LONG_MAX)


@given(
    subtotal=amounts,
    promotion=st.builds(
        PromotionOffered,
        code=st.just("ANY"),
        discountType=st.sampled_from(DiscountType),
        percent=st.none() | st.integers(1, 100),
        amount=st.none() | amounts,
        currency=st.sampled_from([None, "EUR", "CHF"]),
        minimum=st.none() | amounts,
        validFrom=st.none() | st.integers(AT - 2, AT + 2),
        validUntil=st.none() | st.integers(AT - 2, AT + 2),
        meta=st.none(),
    ),
)
def test_no_promotion_takes_off_more_than_there_is(subtotal: int, promotion: PromotionOffered) -> None:
    found = ask(promotion, subtotal)
    assert isinstance(found, Inapplicable) or 0 <= found.discount <= subtotal
