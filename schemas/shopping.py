"""Shopping: a cart is filled, priced and handed over to be paid."""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Command, Event, Query, Record
from schemas.types import Array, Currency, Money, Quantity, Timestamp, Uuid

CartId = Annotated[Uuid, Field(description="The cart, named by whoever opened it.")]
PromotionCode = Annotated[str | None, Field(description="Code that the customer typed in to get a discount.")]


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
    """The customer wants to buy what is in the cart. Answered by CartCheckedOut."""

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
