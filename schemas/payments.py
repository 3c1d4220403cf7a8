"""Payments: money is authorized before the order exists, captured once it does, voided or refunded if it falls."""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Command, Event, Query, Record
from schemas.types import Currency, Double, Money, Symbols, Timestamp, Uuid

PaymentId = Annotated[Uuid, Field(description="The payment; it has the id of the checkout that it pays for.")]
OrderId = Annotated[Uuid, Field(description="The order that is paid for.")]
RefundId = Annotated[Uuid, Field(description="The refund: asked for twice with one id, it is paid once.")]
CurrencyOfAmount = Annotated[Currency, Field(description="Of the amount.")]
Score = Annotated[Double | None, Field(description="The scorer's risk figure; the higher, the riskier.")]


class PaymentMethod(Symbols):
    """How the customer pays."""

    CREDIT_CARD = "CreditCard"
    DEBIT_CARD = "DebitCard"
    BANK_TRANSFER = "BankTransfer"
    PAYPAL = "PayPal"
    UNRECOGNIZED = "UNRECOGNIZED"


class PaymentOutcome(Symbols):
    """What the gateway made of an authorization."""

    CONFIRMED = "confirmed"
    PENDING = "pending"
    FAILED = "failed"
    UNRECOGNIZED = "UNRECOGNIZED"


class PaymentFailureReason(Symbols):
    """Why the gateway said no."""

    CARD_DECLINED = "CARD_DECLINED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    EXPIRED_CARD = "EXPIRED_CARD"
    FRAUD_SUSPECTED = "FRAUD_SUSPECTED"
    PROCESSING_ERROR = "PROCESSING_ERROR"
    UNRECOGNIZED = "UNRECOGNIZED"


class ReversalReason(Symbols):
    """Why money is given back, or no longer held."""

    CHECKOUT_FAILED = "CHECKOUT_FAILED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    UNRECOGNIZED = "UNRECOGNIZED"


class FraudReason(Symbols):
    """What made a payment look like fraud."""

    HIGH_RISK_SCORE = "HIGH_RISK_SCORE"
    BLOCKLISTED = "BLOCKLISTED"
    VELOCITY = "VELOCITY"
    MISMATCH = "MISMATCH"
    UNRECOGNIZED = "UNRECOGNIZED"


class PaymentState(Symbols):
    """How far a payment has come."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    REFUNDED = "refunded"
    UNRECOGNIZED = "UNRECOGNIZED"


class AuthorizePayment(
    Command,
    topic=topics.PAYMENTS_COMMANDS,
    key="paymentId",
    producers=("checkout-orchestrator",),
    consumers=("payments",),
):
    """Hold the amount of a checkout on the customer's means of payment.

    Answered by PaymentProcessed or PaymentFailed.
    """

    paymentId: Annotated[Uuid | None, Field(description="The payment; the record's key says the same.")] = None
    cartId: Annotated[Uuid, Field(description="The cart being paid.")]
    customerId: Annotated[Uuid | None, Field(description="Who pays.")] = None
    amount: Annotated[Money, Field(description="What to hold, in minor units.")]
    currency: CurrencyOfAmount


class CapturePayment(
    Command,
    topic=topics.PAYMENTS_COMMANDS,
    key="paymentId",
    producers=("checkout-orchestrator",),
    consumers=("payments",),
):
    """Take the money that an authorization holds: the order exists. Answered by PaymentCaptured or CaptureFailed."""

    paymentId: PaymentId
    orderId: OrderId
    amount: Annotated[Money, Field(description="What to take, in minor units; no more than is held.")]
    currency: CurrencyOfAmount


class VoidPayment(
    Command,
    topic=topics.PAYMENTS_COMMANDS,
    key="paymentId",
    producers=("checkout-orchestrator",),
    consumers=("payments",),
):
    """Let go of the money that an authorization holds, or never hold it if it is yet to come.

    Answered by PaymentVoided.
    """

    paymentId: PaymentId
    orderId: OrderId
    reason: Annotated[ReversalReason | None, Field(description="Why the money is no longer wanted.")] = None


class RefundPayment(
    Command,
    topic=topics.PAYMENTS_COMMANDS,
    key="paymentId",
    producers=("checkout-orchestrator",),
    consumers=("payments",),
):
    """Give captured money back. Answered by RefundRequested at once and RefundProcessed when it is done."""

    refundId: RefundId
    paymentId: PaymentId
    orderId: OrderId
    amount: Annotated[Money, Field(description="What to give back, in minor units; no more than was captured.")]
    currency: CurrencyOfAmount
    reason: Annotated[ReversalReason | None, Field(description="Why the money goes back.")] = None


class PaymentInitiated(Event, version="0.0.1", topic=topics.PAYMENTS_EVENTS, key="orderId", consumers=("payments",)):
    """A customer has begun to pay for an order."""

    userId: Annotated[Uuid, Field(description="Who pays.")]
    orderId: OrderId
    amount: Annotated[Money, Field(description="What is to be paid, in minor units.")]
    paymentMethod: Annotated[PaymentMethod, Field(description="How the customer chose to pay.")]
    timestamp: Annotated[Timestamp, Field(description="When the customer began.")]


class GatewayConfirmation(Record):
    """What the payment gateway said, kept for disputes."""

    gatewayResponse: Annotated[str | None, Field(description="The gateway's answer, as it came.")] = None
    transactionId: Annotated[str | None, Field(description="The gateway's own name for the transaction.")] = None


class PaymentProcessed(
    Event,
    topic=topics.PAYMENTS_EVENTS,
    key="orderId",
    producers=("payments",),
    consumers=("shipping", "notifications", "subscriptions", "checkout-orchestrator"),
):
    """The gateway holds the money, or still thinks about it (status pending)."""

    transactionId: Annotated[Uuid, Field(description="The authorization, to be named when it is captured or voided.")]
    userId: Annotated[Uuid, Field(description="Who pays.")]
    orderId: OrderId
    amount: Annotated[Money, Field(description="What is held, in minor units.")]
    currency: CurrencyOfAmount
    paymentMethod: Annotated[PaymentMethod, Field(description="What the money is held on.")]
    status: Annotated[PaymentOutcome, Field(description="Only confirmed money counts.")]
    confirmationDetails: Annotated[
        GatewayConfirmation | None, Field(description="What the gateway said, kept for disputes.")
    ] = None
    timestamp: Annotated[Timestamp, Field(description="When the gateway answered.")]


class PaymentFailed(
    Event,
    topic=topics.PAYMENTS_EVENTS,
    key="paymentId",
    producers=("payments",),
    consumers=("checkout-orchestrator", "notifications"),
):
    """The authorization was refused: nothing is held."""

    paymentId: PaymentId
    orderId: OrderId
    reason: Annotated[PaymentFailureReason, Field(description="What the gateway objected to.")]
    failedAt: Annotated[Timestamp, Field(description="When the gateway answered.")]


class PaymentCaptured(
    Event,
    topic=topics.PAYMENTS_EVENTS,
    key="paymentId",
    producers=("payments",),
    consumers=("checkout-orchestrator", "notifications"),
):
    """The money that was held is taken."""

    paymentId: PaymentId
    orderId: OrderId
    amount: Annotated[Money, Field(description="What was taken, in minor units.")]
    currency: CurrencyOfAmount
    capturedAt: Annotated[Timestamp, Field(description="When the gateway took it.")]


class CaptureFailed(
    Event,
    topic=topics.PAYMENTS_EVENTS,
    key="paymentId",
    producers=("payments",),
    consumers=("checkout-orchestrator",),
):
    """The money that was held could not be taken; the authorization may still stand."""

    paymentId: PaymentId
    orderId: OrderId
    reason: Annotated[PaymentFailureReason, Field(description="What the gateway objected to.")]
    failedAt: Annotated[Timestamp, Field(description="When the gateway answered.")]


class PaymentVoided(
    Event,
    topic=topics.PAYMENTS_EVENTS,
    key="paymentId",
    producers=("payments",),
    consumers=("checkout-orchestrator",),
):
    """Nothing is held for this payment, and nothing will be."""

    paymentId: PaymentId
    orderId: OrderId
    voidedAt: Annotated[Timestamp, Field(description="When the gateway let go of the money.")]


class RefundRequested(Event, topic=topics.PAYMENTS_EVENTS, key="paymentId", producers=("payments",)):
    """Money is on its way back to the customer."""

    refundId: RefundId
    paymentId: PaymentId
    orderId: Annotated[Uuid | None, Field(description="The order that had been paid for.")] = None
    amount: Annotated[Money, Field(description="What goes back, in minor units.")]
    currency: CurrencyOfAmount
    reason: Annotated[str | None, Field(description="Why it goes back, in words.")] = None
    requestedAt: Annotated[Timestamp, Field(description="When the gateway was asked.")]


class RefundProcessed(
    Event,
    topic=topics.PAYMENTS_EVENTS,
    key="paymentId",
    producers=("payments",),
    consumers=("checkout-orchestrator",),
):
    """The customer has the money back."""

    refundId: RefundId
    paymentId: PaymentId
    amount: Annotated[Money, Field(description="What went back, in minor units.")]
    currency: CurrencyOfAmount
    processedAt: Annotated[Timestamp, Field(description="When the gateway paid it.")]


class FraudCheckPassed(Event, topic=topics.PAYMENTS_EVENTS, key="paymentId", producers=("payments",)):
    """A payment looks honest."""

    paymentId: PaymentId
    orderId: OrderId
    score: Score = None
    checkedAt: Annotated[Timestamp, Field(description="When the scorer answered.")]


class FraudCheckFailed(Event, topic=topics.PAYMENTS_EVENTS, key="paymentId", producers=("payments",)):
    """A payment looks like fraud; PaymentFailed follows."""

    paymentId: PaymentId
    orderId: OrderId
    score: Score = None
    reason: Annotated[FraudReason, Field(description="What gave it away.")]
    checkedAt: Annotated[Timestamp, Field(description="When the scorer answered.")]


class PaymentStatus(Record):
    """How an order's payment stands."""

    orderId: OrderId
    paymentStatus: Annotated[PaymentState, Field(description="How far the payment has come.")]
    amount: Annotated[Money, Field(description="What is, or was to be, paid, in minor units.")]
    currency: CurrencyOfAmount
    paymentMethod: Annotated[str, Field(description="How the customer pays, in words.")]
    transactionId: Annotated[Uuid, Field(description="The authorization behind it.")]
    paymentDate: Annotated[Timestamp, Field(description="When the payment last changed.")]


class GetPaymentStatus(Query, version="0.0.1", consumers=("payments",), answer=PaymentStatus):
    """Ask whether an order is paid."""

    orderId: OrderId
