"""What the API answers. Values are as in the contract: ids are text, times millis since 1970, amounts minor units.

Where the contract requires a field that no event may have said yet, it may be null here: docs/http-api.md names them.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from schemas.checkout import CheckoutFailureReason, CheckoutRejectionReason, CheckoutStep
from schemas.orders import CancellationReason, OrderedItem, OrderRejectionReason
from schemas.payments import PaymentFailureReason, PaymentMethod, PaymentState
from schemas.types import Currency, Money, Timestamp, Uuid

EXAMPLE_ID = "0f8f2a58-50c1-5a1c-9b53-a26d8d1ca3b0"
EXAMPLE_CUSTOMER = "5b0a3a33-6a0f-5dd0-8f5e-0d6a4f2b7c11"
EXAMPLE_PRODUCT = "0b0c6a0e-93a5-5a8f-8a0e-1d2c3b4a5968"

OrderStatus = Literal[
    "CREATED",
    "CONFIRMED",
    "ON_HOLD",
    "AWAITING_FULFILMENT",
    "FULFILLING",
    "COMPLETED",
    "CANCELLED",
    "ARCHIVED",
    "REJECTED",
    "UNRECOGNIZED",
]
#: Nothing but the archive follows.
ENDS: tuple[OrderStatus, ...] = ("COMPLETED", "CANCELLED", "ARCHIVED", "REJECTED")

OrderId = Annotated[Uuid, Field(description="The order; it has the id of its checkout.", examples=[EXAMPLE_ID])]
When = Annotated[Timestamp | None, Field(description="When that was, in millis since 1970; null if it was not.")]


class OrderSummary(BaseModel):
    """An order in a list."""

    orderId: OrderId
    status: OrderStatus
    total: Annotated[Money | None, Field(description="What the customer pays, in minor units.", examples=[3998])]
    currency: Annotated[Currency | None, Field(examples=["EUR"])]
    createdAt: When
    changedAt: Annotated[Timestamp, Field(description="The last event that changed it.", examples=[1789000000000])]


class OrderPage(BaseModel):
    """Some of a customer's orders, newest first."""

    orders: tuple[OrderSummary, ...]
    next: Annotated[
        str | None, Field(description="Hand it back as `cursor` for the next page; null where there is none.")
    ]


class OrderAnswer(OrderSummary):
    """An order as it stands: what GetOrder answers, and what else is known."""

    customerId: Annotated[
        Uuid | None, Field(description="Null where the order never came to be.", examples=[EXAMPLE_CUSTOMER])
    ]
    items: Annotated[
        tuple[OrderedItem, ...],
        Field(
            description="One entry per product, after all amendments.",
            examples=[[{"productId": EXAMPLE_PRODUCT, "quantity": 2, "unitPrice": 1999}]],
        ),
    ]
    confirmedAt: When
    completedAt: When
    cancelledAt: When
    rejectedAt: When
    confirmationNumber: Annotated[str | None, Field(examples=["ORD-00012345"])]
    paymentAuthorizationId: str | None
    inventoryReservationId: str | None
    cancellationReason: CancellationReason | None
    rejectionReason: OrderRejectionReason | None
    rejectionDetail: str | None
    sequence: Annotated[int, Field(description="Of its last status change; 0 before the first.")]
    version: Annotated[int, Field(description="Grows with every event about the order.")]


class StatusChange(BaseModel):
    """One step in an order's life."""

    sequence: Annotated[int, Field(description="The order's how-manieth; a gap is a lost record.", examples=[1])]
    previousStatus: Annotated[str, Field(examples=["CREATED"])]
    status: Annotated[str, Field(examples=["CONFIRMED"])]
    reason: Annotated[str | None, Field(examples=["paid"])]
    changedAt: Annotated[Timestamp, Field(examples=[1789000000000])]
    partition: Annotated[int, Field(description="Where it is said in orders.<env>.events.")]
    offset: int


class OrderHistory(BaseModel):
    """An order's steps, oldest first."""

    orderId: OrderId
    changes: tuple[StatusChange, ...]
    next: Annotated[
        int | None, Field(description="Hand it back as `after` for what follows; null where nothing does yet.")
    ]


class CancellationAccepted(BaseModel):
    """The wish is on its way. Whether it came in time shows in the order."""

    orderId: OrderId
    reason: CancellationReason


class CheckoutAnswer(BaseModel):
    """A checkout, from the moment we took it on."""

    checkoutId: Annotated[Uuid, Field(description="It; its order and payment have the same id.", examples=[EXAMPLE_ID])]
    cartId: Annotated[Uuid, Field(examples=["6d1f4c0f-9d5a-5d2a-9b1f-0e8f6a5f1b22"])]
    status: Annotated[
        Literal["ACCEPTED", "STARTED", "COMPLETED", "FAILED", "REJECTED"],
        Field(description="ACCEPTED until the pipeline is heard of; COMPLETED, FAILED and REJECTED are final."),
    ]
    attempt: int | None = None
    customerId: Annotated[Uuid, Field(examples=[EXAMPLE_CUSTOMER])]
    total: Annotated[Money | None, Field(examples=[3998])]
    currency: Annotated[Currency | None, Field(examples=["EUR"])]
    step: Annotated[CheckoutStep | None, Field(description="Which one failed.")] = None
    reason: Annotated[
        CheckoutFailureReason | CheckoutRejectionReason | None, Field(description="Why it failed, for programs.")
    ] = None
    detail: Annotated[str | None, Field(description="Why it failed, for people.")] = None
    compensated: Annotated[tuple[CheckoutStep, ...] | None, Field(description="Steps undone, in that order.")] = None
    orderId: Annotated[Uuid | None, Field(description="The order that came of it.")] = None
    startedAt: When = None
    endedAt: When = None

    @property
    def ended(self) -> bool:
        return self.status in {"COMPLETED", "FAILED", "REJECTED"}


class PaymentAnswer(BaseModel):
    """How an order's payment stands: what GetPaymentStatus answers, and why it failed."""

    orderId: OrderId
    paymentStatus: Annotated[
        PaymentState,
        Field(description="pending until the money is taken; failed also where it was let go of; refunded once back."),
    ]
    amount: Annotated[Money | None, Field(description="In minor units; null where no event said it.")]
    currency: Annotated[Currency | None, Field(description="Null where no event said it.", examples=["EUR"])]
    paymentMethod: Annotated[PaymentMethod | None, Field(description="Null until the gateway answered.")]
    transactionId: Annotated[Uuid | None, Field(description="The authorization; null where there was none.")]
    paymentDate: Annotated[Timestamp, Field(description="When the payment last changed.")]
    status: Annotated[str, Field(description="The same in finer steps.", examples=["AUTHORIZED"])]
    failureReason: PaymentFailureReason | None


class ModelPosition(BaseModel):
    """How far a read model is."""

    model: Annotated[str, Field(examples=["orders"])]
    behind: Annotated[int, Field(description="Records on its topics that it has not applied yet.")]


class Positions(BaseModel):
    """How far all of them are."""

    models: tuple[ModelPosition, ...]


class Alive(BaseModel):
    """The process answers; that is all this says."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """The database answers, and what can be read is fresh."""

    status: Literal["ready"] = "ready"
