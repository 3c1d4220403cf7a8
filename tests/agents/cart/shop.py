"""One cart and a price list, and what one says to the cart."""

from typing import Any

from agents.cart.decider import decide
from agents.cart.service import cart
from agents.cart.state import Cart
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutFailureReason,
    CheckoutRejected,
    CheckoutRejectionReason,
    CheckoutStep,
)
from schemas.message import Message, Meta
from schemas.shopping import (
    AddItemToCart,
    CartCheckedOut,
    CartCommandRejected,
    CartRejectionReason,
    CheckoutCart,
    DiscountType,
    ProductListed,
    PromotionOffered,
    RemoveItemFromCart,
)
from schemas.topics import PRODUCTS_STATE, PROMOTIONS_STATE
from streams.state import StateCodec
from streams.step import Entry
from streams.tables import Latest
from tests.agents.ids import AT, id_of

CART, CUSTOMER, CUP, POT, TIN = (id_of(number) for number in range(1, 6))
SPRING = PromotionOffered(code="SPRING", discountType=DiscountType.PERCENTAGE, percent=10, minimum=1_000)
#: Two attempts of checkout-api.
FIRST, SECOND = id_of(11), id_of(12)

Heard = AddItemToCart | RemoveItemFromCart | CheckoutCart | CheckoutRejected | CheckoutFailed | CheckoutCompleted


def listed(product: str, price: int, currency: str = "EUR") -> ProductListed:
    return ProductListed(productId=product, name="A product", unitPrice=price, currency=currency)


def add(product: str = CUP, quantity: int = 1, price: int | None = None) -> AddItemToCart:
    return AddItemToCart(cartId=CART, productId=product, quantity=quantity, unitPrice=price)


def remove(product: str = CUP, quantity: int | None = None) -> RemoveItemFromCart:
    return RemoveItemFromCart(cartId=CART, productId=product, quantity=quantity)


def check_out(code: str | None = None, name: str | None = None) -> CheckoutCart:
    meta = None if name is None else Meta(messageId=name)
    return CheckoutCart(cartId=CART, customerId=CUSTOMER, promotionCode=code, meta=meta)


def failed(checkout: str = FIRST) -> CheckoutFailed:
    return CheckoutFailed(
        checkoutId=checkout,
        cartId=CART,
        customerId=CUSTOMER,
        step=CheckoutStep.AUTHORIZE_PAYMENT,
        reason=CheckoutFailureReason.PAYMENT_FAILED,
        compensated=(),
        failedAt=AT,
    )


def completed(checkout: str = FIRST) -> CheckoutCompleted:
    return CheckoutCompleted(
        checkoutId=checkout,
        cartId=CART,
        customerId=CUSTOMER,
        orderId=checkout,
        total=1,
        currency="EUR",
        completedAt=AT,
    )


def turned_away(
    reason: CheckoutRejectionReason = CheckoutRejectionReason.INVALID,
    checkout: str | None = None,
    about: str | None = None,
) -> CheckoutRejected:
    """`about`: the name of the command that it answers in the end."""
    return CheckoutRejected(
        cartId=CART,
        customerId=CUSTOMER,
        reason=reason,
        detail="It will not do.",
        checkoutId=checkout,
        rejectedAt=AT,
        meta=Meta(messageId="checkout-api/1", correlationId=about),
    )


def duplicate(of: str | None, about: str | None = None) -> CheckoutRejected:
    return turned_away(CheckoutRejectionReason.DUPLICATE, of, about)


class Shop:
    """A second passes before each message. Every state is read back from its bytes, as after a restart."""

    def __init__(self) -> None:
        self.tables = Latest(cart.reads)
        for each in (listed(CUP, 1_999), listed(POT, 4_990), listed(TIN, 700, "CHF")):
            self.list(each)
        self.tables.learn(PROMOTIONS_STATE, SPRING.code, SPRING)
        self.at = AT
        self.state: Cart | None = None
        self.expires: int | None = None
        self._codec = StateCodec(cart)

    def list(self, product: ProductListed) -> None:
        self.tables.learn(PRODUCTS_STATE, product.productId, product)

    def unlist(self, product: str) -> None:
        self.tables.learn(PRODUCTS_STATE, product, None)

    def hear(self, *messages: Heard) -> tuple[Message, ...]:
        """What the last one is answered."""
        sends: tuple[Message, ...] = ()
        for message in messages:
            self.at += 1_000
            decision = decide(self.state, message, self.at, self.tables)
            sends, self.expires = decision.sends, decision.expires
            entry: Entry[Any] = self._codec.decode(CART, self._codec.encode(CART, Entry(state=decision.state)))
            assert entry.state == decision.state
            self.state = entry.state
        return sends

    def refused(self, *messages: Heard) -> CartCommandRejected:
        """Why the last one is, which changes nothing."""
        self.hear(*messages[:-1])
        before = self.state
        (rejected,) = self.hear(messages[-1])
        assert isinstance(rejected, CartCommandRejected)
        assert (rejected.cartId, rejected.rejectedAt) == (CART, self.at)
        assert self.state == before
        return rejected

    def bill(self, *messages: Heard) -> CartCheckedOut:
        (bill,) = self.hear(*messages)
        assert isinstance(bill, CartCheckedOut)
        return bill

    def is_closed(self) -> bool:
        """Whether it refuses to be filled. Asking puts nothing in."""
        decision = decide(self.state, add(), self.at, self.tables)
        return any(
            isinstance(each, CartCommandRejected) and each.reason is CartRejectionReason.ALREADY_CHECKED_OUT
            for each in decision.sends
        )
