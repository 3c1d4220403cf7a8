"""Shopping: a cart is filled, priced and handed over to be paid."""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Command, Event, Query, Record
from schemas.types import Array, Currency, Money, Quantity, Symbols, Timestamp, Uuid

CartId = Annotated[Uuid, Field(description="The cart, named by whoever opened it.")]
PromotionCode = Annotated[str | None, Field(description="Code that the customer typed in to get a discount.")]


class DiscountType(Symbols):
    """How a promotion counts what it takes off."""

    PERCENTAGE = "PERCENTAGE"
    AMOUNT_OFF = "AMOUNT_OFF"
    UNRECOGNIZED = "UNRECOGNIZED"


class CartCommand(Symbols):
    """What a cart was asked to do."""

    ADD_ITEM = "ADD_ITEM"
    REMOVE_ITEM = "REMOVE_ITEM"
    CHECK_OUT = "CHECK_OUT"
    UNRECOGNIZED = "UNRECOGNIZED"


class CartRejectionReason(Symbols):
    """Why a cart did not do as it was asked."""

    UNKNOWN_PRODUCT = "UNKNOWN_PRODUCT"
    PRICE_DIFFERS = "PRICE_DIFFERS"
    CURRENCIES_DIFFER = "CURRENCIES_DIFFER"
    TOO_MUCH = "TOO_MUCH"
    NOT_IN_CART = "NOT_IN_CART"
    EMPTY_CART = "EMPTY_CART"
    PROMOTION_NOT_APPLICABLE = "PROMOTION_NOT_APPLICABLE"
    ALREADY_CHECKED_OUT = "ALREADY_CHECKED_OUT"
    UNRECOGNIZED = "UNRECOGNIZED"


class ProductListed(Event, topic=topics.PRODUCTS_STATE, key="productId", consumers=("cart-api",)):
    """A product of the price list, as it is sold from now on. A tombstone takes it off the list."""

    productId: Annotated[Uuid, Field(description="The product.")]
    name: Annotated[str, Field(description="What the customer sees it called.")]
    unitPrice: Annotated[Money, Field(description="Price of one piece, in minor units.")]
    currency: Annotated[Currency, Field(description="Of the price.")]


class PromotionOffered(Event, topic=topics.PROMOTIONS_STATE, key="code", consumers=("promotion", "cart-api")):
    """A promotion, as it holds from now on. A tombstone ends it."""

    code: Annotated[str, Field(min_length=1, description="What the customer types in.")]
    discountType: Annotated[DiscountType, Field(description="How it counts what it takes off.")]
    percent: Annotated[
        Annotated[int, Field(ge=1, le=100)] | None, Field(description="Of the subtotal; only of a percentage.")
    ] = None
    amount: Annotated[Money | None, Field(description="Off the subtotal, in minor units; only of an amount off.")] = (
        None
    )
    currency: Annotated[
        Currency | None, Field(description="Of the amounts here; without it the promotion holds in any.")
    ] = None
    minimum: Annotated[Money | None, Field(description="Subtotal from which it holds, in minor units.")] = None
    validFrom: Annotated[Timestamp | None, Field(description="When it begins to hold; without it, it does.")] = None
    validUntil: Annotated[Timestamp | None, Field(description="When it holds no more; without it, it stays.")] = None


class CartLine(Record):
    """One product in a cart."""

    productId: Annotated[Uuid, Field(description="The product to buy.")]
    quantity: Annotated[Quantity, Field(description="Pieces of it.")]
    unitPrice: Annotated[Money, Field(description="Price of one piece, in minor units of the cart's currency.")]


class AddItemToCart(Command, topic=topics.CARTS_COMMANDS, key="cartId", consumers=("cart-api",)):
    """Put a product into a cart, or more of it if it is there already. The first item opens the cart."""

    cartId: CartId
    productId: Annotated[Uuid, Field(description="The product to add.")]
    quantity: Annotated[Quantity, Field(description="Pieces to add to those already in the cart.")]
    unitPrice: Annotated[
        Money | None, Field(description="Price of one piece as the customer saw it, in minor units.")
    ] = None


class RemoveItemFromCart(Command, topic=topics.CARTS_COMMANDS, key="cartId", consumers=("cart-api",)):
    """Take pieces of a product out of a cart."""

    cartId: CartId
    productId: Annotated[Uuid, Field(description="The product to take out.")]
    quantity: Annotated[Quantity | None, Field(description="Pieces to take out; without it the whole line goes.")] = (
        None
    )


class CheckoutCart(Command, topic=topics.CARTS_COMMANDS, key="cartId", consumers=("cart-api", "checkout-api")):
    """The customer wants to buy what is in the cart. Answered by CartCheckedOut or CartCommandRejected."""

    cartId: CartId
    customerId: Annotated[Uuid, Field(description="Who buys.")]
    promotionCode: PromotionCode = None


class CartCheckedOut(
    Event, topic=topics.CARTS_EVENTS, key="cartId", producers=("cart-api",), consumers=("checkout-api",)
):
    """A cart is closed and priced: what enters the order pipeline.

    total = subtotal - discount and subtotal = sum of quantity * unitPrice; a cart that doesn't add up is rejected.
    """

    eventId: Annotated[Uuid, Field(description="Unique for this fact; a repeat carries the same one.")]
    occurredAt: Annotated[Timestamp, Field(description="When the customer checked out.")]
    cartId: CartId
    customerId: Annotated[Uuid, Field(description="Who buys.")]
    items: Annotated[Array[CartLine], Field(description="What is bought, one entry per product.")]
    subtotal: Annotated[Money | None, Field(description="Sum of all lines before any discount, in minor units.")] = None
    discount: Annotated[Money | None, Field(description="Taken off the subtotal; none means nothing.")] = None
    total: Annotated[Money, Field(description="What the customer pays, in minor units.")]
    currency: Annotated[Currency, Field(description="Of every amount in this cart.")]


class CartCommandRejected(
    Event, topic=topics.CARTS_EVENTS, key="cartId", producers=("cart-api",), consumers=("checkout-api",)
):
    """A cart did not do as it was asked, and is as it was."""

    cartId: CartId
    command: Annotated[CartCommand, Field(description="What it was asked to do.")]
    reason: Annotated[CartRejectionReason, Field(description="What stood against it, for programs.")]
    detail: Annotated[str, Field(description="What stood against it, for people: which product, which figures.")]
    customerId: Annotated[Uuid | None, Field(description="Who was to buy; only where it was to be checked out.")] = None
    productId: Annotated[Uuid | None, Field(description="The product that it is about, if about one.")] = None
    rejectedAt: Annotated[Timestamp, Field(description="When it was turned down.")]


class Discount(Record):
    """What a cart gets off."""

    discount: Annotated[Money, Field(description="To take off the subtotal, in the minor units it was asked in.")]
    appliedPromotions: Annotated[
        Array[str] | None, Field(description="Names of the promotions behind the discount, in the order applied.")
    ] = None


class CalculateDiscount(Query, consumers=("promotion",), answer=Discount):
    """Ask what a cart would get off."""

    cartId: CartId
    customerId: Annotated[
        Uuid | None, Field(description="Who would buy; without it only promotions open to everybody count.")
    ] = None
    subtotal: Annotated[Money, Field(description="Sum of all lines before the discount, in minor units.")]
    currency: Annotated[Currency, Field(description="Of the subtotal, and of the discount answered.")]
    promotionCode: PromotionCode = None
