"""Payments: money is authorized before the order exists, captured once it does, voided or refunded if it falls."""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Command, Event
from schemas.types import Currency, Money, Symbols, Timestamp, Uuid


class PaymentFailureReason(Symbols):
    """Why the gateway said no."""

    CARD_DECLINED = "CARD_DECLINED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    EXPIRED_CARD = "EXPIRED_CARD"
    FRAUD_SUSPECTED = "FRAUD_SUSPECTED"
    PROCESSING_ERROR = "PROCESSING_ERROR"
    UNRECOGNIZED = "UNRECOGNIZED"


class AuthorizePayment(
    Command,
    version="1.0.0",
    topic=topics.PAYMENTS_COMMANDS,
    key="paymentId",
    producers=("checkout-orchestrator",),
    consumers=("payments",),
):
    """Hold the amount of a checkout on the customer's means of payment."""

    paymentId: Annotated[Uuid | None, Field(description="The payment; the record's key says the same.")] = None
    cartId: Annotated[Uuid, Field(description="The cart being paid.")]
    customerId: Annotated[Uuid | None, Field(description="Who pays.")] = None
    amount: Annotated[Money, Field(description="What to hold.")]
    currency: Annotated[Currency, Field(description="Of the amount.")]


class PaymentFailed(
    Event,
    version="1.0.0",
    topic=topics.PAYMENTS_EVENTS,
    key="paymentId",
    producers=("payments",),
    consumers=("checkout-orchestrator", "notifications"),
):
    """The authorization was refused."""

    paymentId: Annotated[Uuid, Field(description="The payment that failed.")]
    orderId: Annotated[Uuid, Field(description="The order it was for.")]
    reason: Annotated[PaymentFailureReason, Field(description="The gateway's reason.")]
    failedAt: Annotated[Timestamp, Field(description="When the gateway answered.")]
