"""Checkouts: a priced cart goes into the pipeline, and what becomes of it.

A POST publishes CartCheckedOut, not CheckoutCart: whoever calls has priced the cart itself, one record says all of it,
and the checkout API of the pipeline knows a repeat of it by its eventId. CheckoutCart is for carts that were filled
through cart-api, message by message.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict, Field, model_validator

from projections import queries
from projections.api import SQL_FOLDER
from projections.api.answers import EXAMPLE_CUSTOMER, EXAMPLE_PRODUCT, CheckoutAnswer
from projections.api.asking import CheckoutPath, IdempotencyKey, Waiting
from projections.api.doors import Doors
from projections.api.keys import Client, Scope
from projections.api.poller import Poller
from projections.api.problems import (
    INVALID,
    KAFKA_AWAY,
    KEY_REUSED,
    MALFORMED,
    NOT_FOUND,
    TOO_LARGE,
    documented,
    not_found,
    text_header,
)
from projections.api.publisher import Publisher
from projections.api.reads import Reads
from projections.api.repeats import Once, Repeats
from schemas.identity import checkout_id, derived_id
from schemas.message import Meta, Record
from schemas.shopping import CartCheckedOut, CartLine
from schemas.types import LONG_MAX, Array, Currency, Money, Uuid

_SQL = queries.load("checkouts", SQL_FOLDER)
_MOST_LINES = 500


class Cart(Record):
    """What is bought, with its prices."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customerId": EXAMPLE_CUSTOMER,
                    "items": [{"productId": EXAMPLE_PRODUCT, "quantity": 2, "unitPrice": 1999}],
                    "currency": "EUR",
                }
            ]
        }
    )

    customerId: Annotated[Uuid, Field(description="Who buys.")]
    items: Annotated[Array[CartLine], Field(min_length=1, max_length=_MOST_LINES, description="One entry per product.")]
    discount: Annotated[Money, Field(description="Taken off the sum of the lines, in minor units.")] = 0
    currency: Annotated[Currency, Field(description="Of every amount here.")]

    @property
    def subtotal(self) -> int:
        return sum(line.quantity * line.unitPrice for line in self.items)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        """What the pipeline would turn away is said here, where somebody listens."""
        if len({line.productId for line in self.items}) < len(self.items):
            raise ValueError("a product stands in several items: give it one, with its whole quantity")
        if self.subtotal > LONG_MAX:
            raise ValueError(f"the items come to {self.subtotal}, more than the largest amount {LONG_MAX}")
        if self.discount > self.subtotal:
            raise ValueError(f"the discount {self.discount} is more than the items come to, {self.subtotal}")
        return self

    def checked_out(self, cart_id: str, at: int) -> CartCheckedOut:
        event_id = derived_id("checked out", cart_id)
        return CartCheckedOut(
            eventId=event_id,
            occurredAt=at,
            cartId=cart_id,
            customerId=self.customerId,
            items=self.items,
            subtotal=self.subtotal,
            discount=self.discount,
            total=self.subtotal - self.discount,
            currency=self.currency,
            meta=Meta(messageId=event_id, correlationId=event_id),
        )


class Checkouts:
    """What the read model says of checkouts, and what we know before it does."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self.ends: Poller[str, bool] = Poller(self._ended)

    async def one(self, checkout: str) -> CheckoutAnswer:
        values = {"checkout_id": checkout}
        if (found := await self._reads.one(_SQL["one"], values)) is not None:
            return CheckoutAnswer.model_validate(found)
        if (taken_on := await self._reads.one(_SQL["accepted"], values)) is not None:
            return CheckoutAnswer.model_validate(taken_on["checkout"])
        raise not_found(f"no checkout {checkout} is known, or none yet")

    async def _ended(self, checkouts: Collection[str]) -> Mapping[str, bool]:
        rows = await self._reads.all(_SQL["ended"], {"checkout_ids": list(checkouts)})
        return {row["checkoutId"]: True for row in rows}


def router(checkouts: Checkouts, publisher: Publisher, repeats: Repeats, doors: Doors) -> APIRouter:
    routes = APIRouter(prefix="/checkouts", tags=["checkouts"])
    reads, writes = Depends(doors.needs(Scope.READ)), Depends(doors.needs(Scope.WRITE))

    @routes.post(
        "",
        summary="Buy a cart",
        status_code=202,
        response_model=CheckoutAnswer,
        responses={
            200: {"model": CheckoutAnswer, "description": "With `wait=terminal`: what became of it."},
            202: {
                "description": "It is on its way to the services.",
                "headers": {"Location": text_header("The checkout.")},
            },
            **documented(MALFORMED, TOO_LARGE, INVALID, KEY_REUSED, KAFKA_AWAY),
        },
    )
    async def buy(
        cart: Cart,
        key: IdempotencyKey,
        asked: Annotated[Waiting, Query()],
        client: Annotated[Client, writes],
        response: Response,
    ) -> Any:
        once = Once(client.name, key, f"buy {cart.model_dump_json()}")
        # A cart of its own has one checkout, so that one's id is known before anybody has heard of it.
        cart_id = once.id
        checkout = checkout_id(cart_id, 1)

        async def act(at: int) -> dict[str, Any]:
            message = cart.checked_out(cart_id, at)
            await publisher.publish(message)
            return {
                "checkoutId": checkout,
                "cartId": cart_id,
                "status": "ACCEPTED",
                "customerId": cart.customerId,
                "total": message.total,
                "currency": cart.currency,
            }

        accepted = await repeats.once(once, checkout, act)
        if asked.wait and await checkouts.ends.news(checkout, asked.timeout):
            response.status_code = 200
            return await checkouts.one(checkout)
        response.headers["Location"] = f"/checkouts/{checkout}"
        return accepted

    @routes.get(
        "/{checkoutId}",
        dependencies=[reads],
        summary="What became of it",
        responses={
            202: {"model": CheckoutAnswer, "description": "With `wait=terminal`: it has not ended in time."},
            **documented(NOT_FOUND),
        },
    )
    async def one(checkout: CheckoutPath, asked: Annotated[Waiting, Query()], response: Response) -> CheckoutAnswer:
        if asked.wait:
            await checkouts.ends.news(checkout, asked.timeout)
        found = await checkouts.one(checkout)
        if asked.wait and not found.ended:
            response.status_code = 202
        return found

    return routes
