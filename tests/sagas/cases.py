"""Ways that one checkout may go from the first record to the last, each with the end that it must have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutFailureReason,
    CheckoutRejected,
    CheckoutRejectionReason,
    CheckoutStep,
)
from schemas.identity import checkout_id, derived_id
from schemas.inventory import InventoryReleased
from schemas.message import Message
from schemas.orders import CancellationReason, CancelOrder, CreateOrder, OrderCreated, OrderLine
from schemas.payments import PaymentFailureReason, PaymentVoided
from schemas.shopping import CartCheckedOut, CartLine

PRICES = {derived_id("product", name): price for name, price in (("cup", 1_999), ("pot", 4_990), ("rare", 99_900))}
CUP, POT, RARE = PRICES
UNKNOWN = derived_id("product", "never in stock")
#: So many come in. Of what is rare nobody gets any: each case asks for one more than there are.
STOCK = {CUP: 500, POT: 500, RARE: 2}
AT = 1_772_443_800_000

RESERVE, AUTHORIZE, CREATE, CAPTURE, CONFIRM = list(CheckoutStep)[:5]
_DECLINES = [reason for reason in PaymentFailureReason if reason is not PaymentFailureReason.UNRECOGNIZED]


Fate = Literal["refused capture", "lost answer", "late answer"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One cart and its first checkout."""

    name: str
    items: tuple[tuple[str, int], ...] = ((CUP, 2), (POT, 1))
    #: Beside what the cart sums up to.
    surcharge: int = 0
    discount: int | None = None
    #: What else is said before, and by which answers it is heard.
    before: tuple[Message, ...] = ()
    heard: tuple[type[Message], ...] = ()
    #: What the gateway does.
    declined: PaymentFailureReason | None = None
    fate: Fate | None = None
    end: type[Message] = CheckoutCompleted
    says: Mapping[str, Any] = field(default_factory=dict)
    #: In what state each participant keeps it in the end.
    stays: Mapping[str, str] = field(
        default_factory=lambda: {"inventory": "TAKEN", "payments": "CAPTURED", "orders": "CONFIRMED"}
    )

    @property
    def cart_id(self) -> str:
        return cart_of(self.name)

    @property
    def order_id(self) -> str:
        return order_of(self.name)

    @property
    def cart(self) -> CartCheckedOut:
        return cart(self.name, self.items, surcharge=self.surcharge, discount=self.discount)


def cart_of(name: str) -> str:
    return derived_id("cart of", name)


def order_of(name: str, attempt: int = 1) -> str:
    return checkout_id(cart_of(name), attempt)


def cart(
    name: str,
    items: tuple[tuple[str, int], ...] = ((CUP, 2), (POT, 1)),
    *,
    surcharge: int = 0,
    discount: int | None = None,
    again: int = 0,
) -> CartCheckedOut:
    """`again`: the cart is checked out once more, which is another fact."""
    lines = tuple(CartLine(productId=each, quantity=pieces, unitPrice=PRICES.get(each, 100)) for each, pieces in items)
    subtotal = sum(line.quantity * line.unitPrice for line in lines)
    return CartCheckedOut(
        eventId=derived_id("checked out", name, again),
        occurredAt=AT,
        cartId=cart_of(name),
        customerId=derived_id("customer of", name),
        items=lines,
        subtotal=subtotal,
        discount=discount,
        total=subtotal - (discount or 0) + surcharge,
        currency="EUR",
    )


def _failed(
    step: CheckoutStep, reason: CheckoutFailureReason, detail: str, compensated: tuple[CheckoutStep, ...] = ()
) -> dict[str, Any]:
    says = {"step": step, "reason": reason, "detail": detail, "compensated": compensated}
    return {"end": CheckoutFailed, "says": says}


def _rejected(reason: CheckoutRejectionReason, detail: str) -> dict[str, Any]:
    return {"end": CheckoutRejected, "says": {"reason": reason, "detail": detail}, "stays": {}}


def _another(name: str) -> CreateOrder:
    """An order under the id of that cart's checkout, which is not that cart's."""
    lines = (OrderLine(productId=CUP, quantity=1, unitPrice=1),)
    return CreateOrder(
        orderId=order_of(name),
        cartId=derived_id("another cart"),
        customerId=derived_id("another customer"),
        items=lines,
        total=1,
        currency="EUR",
    )


CASES: tuple[Case, ...] = (
    Case(name="all is well"),
    Case(name="a discount comes off", discount=1_000),
    Case(name="one product", items=((CUP, 1),)),
    Case(name="the gateway breaks off after it did what was asked", fate="lost answer"),
    Case(name="the gateway answers after the deadline", fate="late answer"),
    Case(
        name="too few pieces",
        items=((RARE, 3),),
        **_failed(RESERVE, CheckoutFailureReason.INVENTORY_UNAVAILABLE, f"product {RARE}: 3 asked for, 2 available"),
        stays={"inventory": "REFUSED"},
    ),
    Case(
        name="too few pieces of one product of two",
        items=((CUP, 1), (RARE, 3)),
        **_failed(RESERVE, CheckoutFailureReason.INVENTORY_UNAVAILABLE, f"product {RARE}: 3 asked for, 2 available"),
        stays={"inventory": "REFUSED"},
    ),
    Case(
        name="a product that nobody has",
        items=((UNKNOWN, 1),),
        **_failed(RESERVE, CheckoutFailureReason.INVENTORY_UNAVAILABLE, f"product {UNKNOWN}: 1 asked for, 0 available"),
        stays={"inventory": "REFUSED"},
    ),
    *(
        Case(
            name=f"the payment is declined: {reason}",
            declined=reason,
            **_failed(AUTHORIZE, CheckoutFailureReason.PAYMENT_FAILED, reason, (RESERVE,)),
            stays={"inventory": "RELEASED", "payments": "DECLINED"},
        )
        for reason in _DECLINES
    ),
    Case(
        name="another order has its id",
        before=(_another("another order has its id"),),
        heard=(OrderCreated,),
        **_failed(
            CREATE,
            CheckoutFailureReason.ORDER_REJECTED,
            "this id belongs to an order of 1 EUR in minor units already; the one of 8988 EUR differs from it",
            (AUTHORIZE, RESERVE),
        ),
        stays={"inventory": "RELEASED", "payments": "VOIDED", "orders": "CREATED"},
    ),
    Case(
        name="the money can't be taken",
        fate="refused capture",
        **_failed(CAPTURE, CheckoutFailureReason.CAPTURE_FAILED, "PROCESSING_ERROR", (CREATE, AUTHORIZE, RESERVE)),
        stays={"inventory": "RELEASED", "payments": "VOIDED", "orders": "CANCELLED"},
    ),
    Case(
        name="it was cancelled before it began",
        before=(
            CancelOrder(
                orderId=order_of("it was cancelled before it began"), reason=CancellationReason.CUSTOMER_REQUESTED
            ),
        ),
        heard=(InventoryReleased, PaymentVoided),
        **_failed(RESERVE, CheckoutFailureReason.INVENTORY_UNAVAILABLE, "the reservation had been given back"),
        stays={"inventory": "RELEASED", "payments": "VOIDED", "orders": "CANCELLED"},
    ),
    Case(
        name="there is nothing in the cart",
        items=(),
        **_rejected(CheckoutRejectionReason.EMPTY_CART, "there is nothing in the cart"),
    ),
    Case(
        name="its total does not add up",
        surcharge=1,
        **_rejected(
            CheckoutRejectionReason.TOTALS_DO_NOT_ADD_UP,
            "the total is 8989, but 8988 less a discount of 0 is 8988",
        ),
    ),
)
