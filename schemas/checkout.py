"""Checkout: one attempt to turn a cart into an order, from hand-off to its end, good or bad.

The catalogue names these messages and gives them no schema: the fields are this project's.
"""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Command, Event, Record
from schemas.types import Array, Currency, Money, Quantity, Symbols, Timestamp, Uuid

CheckoutId = Annotated[
    Uuid,
    Field(
        description="The attempt: uuid5 of cart and attempt number. Order, reservation and payment have the same id."
    ),
]
CartId = Annotated[
    Uuid, Field(description="The cart that was checked out; an order placed without one has its order id here.")
]
CustomerId = Annotated[Uuid, Field(description="Who buys.")]
Attempt = Annotated[Quantity, Field(description="Which try of this cart it is: 1 at first, one more after a failure.")]
Total = Annotated[Money, Field(description="What the customer pays, in minor units.")]
CurrencyOfAmounts = Annotated[Currency, Field(description="Of every amount in this message.")]


class CheckoutStep(Symbols):
    """A step of the saga, in the order in which they are taken."""

    RESERVE_INVENTORY = "RESERVE_INVENTORY"
    AUTHORIZE_PAYMENT = "AUTHORIZE_PAYMENT"
    CREATE_ORDER = "CREATE_ORDER"
    CAPTURE_PAYMENT = "CAPTURE_PAYMENT"
    CONFIRM_ORDER = "CONFIRM_ORDER"
    UNRECOGNIZED = "UNRECOGNIZED"


class CheckoutFailureReason(Symbols):
    """Why a checkout that had started did not become an order."""

    INVENTORY_UNAVAILABLE = "INVENTORY_UNAVAILABLE"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    ORDER_REJECTED = "ORDER_REJECTED"
    CAPTURE_FAILED = "CAPTURE_FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    UNRECOGNIZED = "UNRECOGNIZED"


class CheckoutRejectionReason(Symbols):
    """Why a checkout was turned away before anything was reserved."""

    EMPTY_CART = "EMPTY_CART"
    TOTALS_DO_NOT_ADD_UP = "TOTALS_DO_NOT_ADD_UP"
    DUPLICATE = "DUPLICATE"
    NOT_PRICED = "NOT_PRICED"
    INVALID = "INVALID"
    UNRECOGNIZED = "UNRECOGNIZED"


class CheckoutLine(Record):
    """One product to be bought."""

    productId: Annotated[Uuid, Field(description="The product to buy.")]
    quantity: Annotated[Quantity, Field(description="Pieces of it.")]
    unitPrice: Annotated[Money, Field(description="Price of one piece, in minor units of the checkout's currency.")]


class StartCheckout(
    Command,
    topic=topics.CHECKOUT_COMMANDS,
    key="checkoutId",
    producers=("checkout-api", "orders"),
    consumers=("checkout-orchestrator",),
):
    """Run the saga for this cart: reserve, authorize, create, capture, confirm. All that its steps need is in here."""

    checkoutId: CheckoutId
    cartId: CartId
    attempt: Attempt
    customerId: CustomerId
    items: Annotated[Array[CheckoutLine], Field(description="What is bought, one entry per product.")]
    subtotal: Annotated[Money | None, Field(description="Sum of all lines before any discount, in minor units.")] = None
    discount: Annotated[Money | None, Field(description="Taken off the subtotal; none means nothing.")] = None
    total: Total
    currency: CurrencyOfAmounts


class CheckoutStarted(Event, topic=topics.CHECKOUT_EVENTS, key="cartId", producers=("checkout-orchestrator",)):
    """The saga has taken the checkout on; it ends in CheckoutCompleted or CheckoutFailed."""

    checkoutId: CheckoutId
    cartId: CartId
    attempt: Attempt
    customerId: CustomerId
    total: Total
    currency: CurrencyOfAmounts
    startedAt: Annotated[Timestamp, Field(description="When the saga took its first step.")]


class CheckoutRejected(
    Event,
    version="1.1.0",
    topic=topics.CHECKOUT_EVENTS,
    key="cartId",
    producers=("checkout-api",),
    consumers=("cart-api",),
):
    """The checkout was turned away before it started: nothing was reserved, nothing is owed."""

    cartId: CartId
    customerId: CustomerId
    reason: Annotated[CheckoutRejectionReason, Field(description="What was wrong, for programs.")]
    detail: Annotated[str, Field(description="What was wrong, for people: which rule, which figures.")]
    checkoutId: Annotated[
        Uuid | None, Field(description="The checkout that this one duplicates; none for any other reason.")
    ] = None
    rejectedAt: Annotated[Timestamp, Field(description="When it was turned away.")]


class CheckoutCompleted(
    Event,
    topic=topics.CHECKOUT_EVENTS,
    key="cartId",
    producers=("checkout-orchestrator",),
    consumers=("cart-api", "checkout-api"),
):
    """The order is confirmed and paid."""

    checkoutId: CheckoutId
    cartId: CartId
    customerId: CustomerId
    orderId: Annotated[Uuid, Field(description="The order that came of it.")]
    total: Total
    currency: CurrencyOfAmounts
    completedAt: Annotated[Timestamp, Field(description="When the last step was answered.")]


class CheckoutFailed(
    Event,
    topic=topics.CHECKOUT_EVENTS,
    key="cartId",
    producers=("checkout-orchestrator",),
    consumers=("cart-api", "checkout-api"),
):
    """No order came of it, and whatever had been done is undone."""

    checkoutId: CheckoutId
    cartId: CartId
    customerId: CustomerId
    step: Annotated[CheckoutStep, Field(description="The step that failed, or that was under way when it was stopped.")]
    reason: Annotated[CheckoutFailureReason, Field(description="Why, for programs.")]
    detail: Annotated[
        str | None, Field(description="Why, for people: what the service that refused said, or which deadline passed.")
    ] = None
    compensated: Annotated[
        Array[CheckoutStep], Field(description="The steps that had been done and are undone, in the order undone.")
    ]
    failedAt: Annotated[Timestamp, Field(description="When the last compensation was answered.")]
