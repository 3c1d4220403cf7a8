"""One cart as the checkout API sees it."""

from typing import Any

from agents.checkout.service import checkout
from agents.checkout.state import Checkouts
from schemas.checkout import (
    CheckoutCompleted,
    CheckoutFailed,
    CheckoutRejected,
    CheckoutRejectionReason,
)
from schemas.examples import CART, CUSTOMER, example_of
from schemas.identity import checkout_id, derived_id
from schemas.message import Message, Meta
from schemas.shopping import CartCheckedOut, CartCommand, CartCommandRejected, CartRejectionReason, CheckoutCart
from tests.agents.talk import Talk

FIRST, SECOND, THIRD = (checkout_id(CART, attempt) for attempt in (1, 2, 3))


def command(number: int = 1) -> CheckoutCart:
    return example_of(CheckoutCart).model_copy(update={"meta": Meta(messageId=f"command-{number}")})


def _answer(number: int) -> Meta:
    return Meta(messageId=f"answer-{number}", causationId=f"command-{number}")


def priced(number: int = 1, **fields: Any) -> CartCheckedOut:
    """The cart's answer to that command."""
    changed = {"meta": _answer(number), "eventId": derived_id("event", number)} | fields
    return example_of(CartCheckedOut).model_copy(update=changed)


def turned_down(reason: CartRejectionReason, number: int = 1, **fields: Any) -> CartCommandRejected:
    changed = {"meta": _answer(number), "reason": reason, "command": CartCommand.CHECK_OUT, "detail": "so"} | fields
    return example_of(CartCommandRejected).model_copy(update=changed)


def completed(checkout_id: str = FIRST) -> CheckoutCompleted:
    return example_of(CheckoutCompleted).model_copy(update={"checkoutId": checkout_id})


def failed(checkout_id: str = FIRST) -> CheckoutFailed:
    return example_of(CheckoutFailed).model_copy(update={"checkoutId": checkout_id})


class Cart(Talk[Checkouts]):
    """Of one cart."""

    def __init__(self, *heard: Message) -> None:
        super().__init__(checkout)
        self.after(*heard)

    def hears(self, *messages: Message) -> list[Message]:
        """What is sent because of them."""
        return [sent for message in messages for sent in self.hear(message)]

    def rejected(
        self, reason: CheckoutRejectionReason, detail: str, other: str | None = None
    ) -> list[CheckoutRejected]:
        """What is sent to a customer who is turned away now."""
        return [
            CheckoutRejected(
                cartId=CART, customerId=CUSTOMER, reason=reason, detail=detail, checkoutId=other, rejectedAt=self.at
            )
        ]
