"""What a cart gets off, of one promotion as it is offered now."""

from typing import NamedTuple, assert_never

from schemas.shopping import CalculateDiscount, Discount, DiscountType, PromotionOffered


class Inapplicable(NamedTuple):
    """The customer gave a code that takes nothing off."""

    #: For people.
    reason: str


def discount(promotion: PromotionOffered | None, query: CalculateDiscount, at: int) -> Discount | Inapplicable:
    """`promotion`: what is offered under the code of the query, if anything."""
    if query.promotionCode is None:
        return Discount(discount=0)
    if promotion is None:
        return Inapplicable(f"nothing is offered under {query.promotionCode}")
    if (against := _against(promotion, query, at)) is not None:
        return Inapplicable(f"{promotion.code} {against}")
    off = _off(promotion, query.subtotal)
    if off is None:
        return Inapplicable(f"{promotion.code} does not say what it takes off in a way that we understand")
    return Discount(discount=off, appliedPromotions=(promotion.code,))


def _against(promotion: PromotionOffered, query: CalculateDiscount, at: int) -> str | None:
    """What of its conditions is not met."""
    if promotion.validFrom is not None and at < promotion.validFrom:
        return "is not valid yet"
    if promotion.validUntil is not None and at >= promotion.validUntil:
        return "is not valid any more"
    if promotion.currency is not None and promotion.currency != query.currency:
        return f"is for {promotion.currency}, and the cart is in {query.currency}"
    if promotion.minimum is not None and query.subtotal < promotion.minimum:
        return f"is for {promotion.minimum} and more, and the subtotal is {query.subtotal}"
    return None


def _off(promotion: PromotionOffered, subtotal: int) -> int | None:
    """In minor units, rounded down and never more than there is; None where the offer is incomplete or too new."""
    match promotion.discountType:
        case DiscountType.PERCENTAGE:
            return None if promotion.percent is None else subtotal * promotion.percent // 100
        case DiscountType.AMOUNT_OFF:
            return None if promotion.amount is None else min(promotion.amount, subtotal)
        case DiscountType.UNRECOGNIZED:
            return None
        case _:
            assert_never(promotion.discountType)
