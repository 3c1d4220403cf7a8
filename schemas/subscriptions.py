"""Subscriptions: plans that users pay for again and again."""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Command, Event, Query, Record
from schemas.payments import PaymentMethod
from schemas.types import Currency, Money, Symbols, Timestamp, Uuid

SubscriptionId = Annotated[Uuid, Field(description="The subscription; a user may have had several.")]
UserId = Annotated[Uuid, Field(description="Whose subscription it is.")]


class BillingCycle(Symbols):
    """How often a plan is billed."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"
    UNRECOGNIZED = "UNRECOGNIZED"


class BillingFrequency(Symbols):
    """How often a plan is billed, as the status query tells it."""

    MONTHLY = "monthly"
    YEARLY = "yearly"
    UNRECOGNIZED = "UNRECOGNIZED"


class SubscriptionState(Symbols):
    """Whether a subscription runs."""

    ACTIVE = "active"
    CANCELED = "canceled"
    EXPIRED = "expired"
    PENDING = "pending"
    UNRECOGNIZED = "UNRECOGNIZED"


class SubscribeUser(
    Command, version="0.0.1", topic=topics.SUBSCRIPTIONS_COMMANDS, key="subscriptionId", consumers=("subscriptions",)
):
    """Start a plan for a user. Answered by UserSubscriptionStarted."""

    subscriptionId: Annotated[
        Uuid | None, Field(description="The subscription to start; the record's key says the same.")
    ] = None
    userId: Annotated[Uuid, Field(description="Who subscribes.")]
    planId: Annotated[str, Field(description="The plan that the user chose.")]
    paymentMethod: Annotated[PaymentMethod, Field(description="How every bill will be paid.")]
    startDate: Annotated[Timestamp | None, Field(description="When the plan begins; without it, at once.")] = None
    timestamp: Annotated[Timestamp, Field(description="When the user subscribed.")]


class CancelSubscription(
    Command, version="0.0.1", topic=topics.SUBSCRIPTIONS_COMMANDS, key="subscriptionId", consumers=("subscriptions",)
):
    """End a user's plan. Answered by UserSubscriptionCancelled."""

    subscriptionId: SubscriptionId
    userId: UserId
    reason: Annotated[str | None, Field(description="What the user said, in words.")] = None
    cancelImmediately: Annotated[
        bool | None, Field(description="true ends the plan now; else it runs to the end of what is paid.")
    ] = None
    timestamp: Annotated[Timestamp, Field(description="When the user asked to end it.")]


class UserSubscriptionStarted(
    Event,
    version="0.0.1",
    topic=topics.SUBSCRIPTIONS_EVENTS,
    key="subscriptionId",
    producers=("subscriptions",),
    consumers=("payments",),
):
    """A user's plan has begun: it is to be billed."""

    subscriptionId: SubscriptionId
    userId: UserId
    planId: Annotated[str, Field(description="The plan that began.")]
    startDate: Annotated[Timestamp, Field(description="From when on it runs.")]
    billingCycle: Annotated[BillingCycle | None, Field(description="How often it is billed.")] = None
    timestamp: Annotated[Timestamp, Field(description="When the subscription was taken on.")]


class UserSubscriptionCancelled(
    Event,
    version="0.0.1",
    topic=topics.SUBSCRIPTIONS_EVENTS,
    key="subscriptionId",
    producers=("subscriptions",),
    consumers=("orders", "notifications"),
):
    """A user's plan ends."""

    subscriptionId: SubscriptionId
    userId: UserId
    planId: Annotated[str | None, Field(description="The plan that ends.")] = None
    cancellationReason: Annotated[str | None, Field(description="What the user said, in words.")] = None
    effectiveDate: Annotated[Timestamp | None, Field(description="Until when it still runs.")] = None
    timestamp: Annotated[Timestamp, Field(description="When the cancellation was taken on.")]


class SubscriptionStatus(Record):
    """How a user's subscription stands."""

    userId: UserId
    subscriptionStatus: Annotated[SubscriptionState, Field(description="Whether it runs.")]
    subscriptionPlan: Annotated[str, Field(description="The plan that the user is on.")]
    nextBillingDate: Annotated[Timestamp, Field(description="When the next bill is due.")]
    billingFrequency: Annotated[BillingFrequency, Field(description="How often a bill is due.")]
    amount: Annotated[Money, Field(description="Of one bill, in minor units.")]
    currency: Annotated[Currency, Field(description="Of the amount.")]
    lastPaymentDate: Annotated[Timestamp, Field(description="When the last bill was paid.")]


class GetSubscriptionStatus(Query, version="0.0.2", consumers=("subscriptions",), answer=SubscriptionStatus):
    """Ask whether a user's subscription runs."""

    userId: UserId
