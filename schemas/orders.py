"""Orders: an order's life, from created to archived."""

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas import topics
from schemas.message import Command, Event, Query, Record
from schemas.types import INT_MAX, Array, Count, Currency, Int, Money, Quantity, Symbols, Timestamp, Uuid

OrderId = Annotated[Uuid, Field(description="The order; it has the id of the checkout that it came from.")]
CustomerId = Annotated[Uuid, Field(description="Who buys.")]
Total = Annotated[Money, Field(description="What the customer pays for the order, in minor units.")]
CurrencyOfAmounts = Annotated[Currency, Field(description="Of every amount in this message.")]
HoldId = Annotated[Uuid, Field(description="This hold; an order may be held several times, one after another.")]
Text250 = Annotated[str, Field(max_length=250)]
#: What an order is created with counts as its first edition.
Revision = Annotated[int, Field(ge=2, le=INT_MAX)]
UnitPrice = Annotated[Money, Field(description="Price of one piece, in minor units of the order's currency.")]
OptionalAuthorization = Annotated[
    str | None, Field(description="The payment's authorization (PaymentProcessed.transactionId).")
]


class CancellationReason(Symbols):
    """Why an order is called off."""

    CUSTOMER_REQUESTED = "CUSTOMER_REQUESTED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    FRAUD = "FRAUD"
    UNRECOGNIZED = "UNRECOGNIZED"


class OrderRejectionReason(Symbols):
    """Why an order could not be created."""

    ALREADY_CANCELLED = "ALREADY_CANCELLED"
    CONFLICTING_ORDER = "CONFLICTING_ORDER"
    INVALID = "INVALID"
    UNRECOGNIZED = "UNRECOGNIZED"


class CancellationRejectionReason(Symbols):
    """Why an order can no longer be called off."""

    COMPLETED = "COMPLETED"
    ARCHIVED = "ARCHIVED"
    UNRECOGNIZED = "UNRECOGNIZED"


class StatusBefore(Symbols):
    """A status that an order can leave."""

    CREATED = "CREATED"
    CONFIRMED = "CONFIRMED"
    ON_HOLD = "ON_HOLD"
    AWAITING_FULFILMENT = "AWAITING_FULFILMENT"
    FULFILLING = "FULFILLING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    UNRECOGNIZED = "UNRECOGNIZED"


class StatusAfter(Symbols):
    """A status that an order can reach."""

    CONFIRMED = "CONFIRMED"
    ON_HOLD = "ON_HOLD"
    AWAITING_FULFILMENT = "AWAITING_FULFILMENT"
    FULFILLING = "FULFILLING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    ARCHIVED = "ARCHIVED"
    UNRECOGNIZED = "UNRECOGNIZED"


class StatusAfterHold(Symbols):
    """Where an order goes on when its hold is released."""

    CONFIRMED = "CONFIRMED"
    AWAITING_FULFILMENT = "AWAITING_FULFILMENT"
    UNRECOGNIZED = "UNRECOGNIZED"


class TerminalStatus(Symbols):
    """How an order ended."""

    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    UNRECOGNIZED = "UNRECOGNIZED"


class HoldReason(Symbols):
    """What has to be looked at before an order may go on."""

    PAYMENT_REVIEW = "PAYMENT_REVIEW"
    FRAUD_REVIEW = "FRAUD_REVIEW"
    ADDRESS_VERIFICATION = "ADDRESS_VERIFICATION"
    INVENTORY_RECHECK = "INVENTORY_RECHECK"
    UNRECOGNIZED = "UNRECOGNIZED"


class AmendableField(Symbols):
    """A part of an order that may be changed after it was created."""

    ITEMS = "items"
    DELIVERY_ADDRESS = "deliveryAddress"
    DELIVERY_METHOD = "deliveryMethod"
    PROMOTION_CODE = "promotionCode"
    UNRECOGNIZED = "UNRECOGNIZED"


class FulfilmentPriority(Symbols):
    """How soon an order has to leave the warehouse."""

    STANDARD = "STANDARD"
    EXPEDITED = "EXPEDITED"
    SAME_DAY = "SAME_DAY"
    UNRECOGNIZED = "UNRECOGNIZED"


class DeliveryMethod(Symbols):
    """How the goods reach the customer."""

    HOME_DELIVERY = "HOME_DELIVERY"
    CLICK_AND_COLLECT = "CLICK_AND_COLLECT"
    UNRECOGNIZED = "UNRECOGNIZED"


class RetentionCategory(Symbols):
    """Which rule says how long an archived order is kept."""

    STANDARD = "STANDARD"
    FINANCIAL_RECORD = "FINANCIAL_RECORD"
    LEGAL_HOLD = "LEGAL_HOLD"
    UNRECOGNIZED = "UNRECOGNIZED"


class Customer(Record):
    """Who ordered, as an outside system knows them."""

    customerId: CustomerId
    name: Annotated[str, Field(description="Full name, as it goes on the label.")]
    email: Annotated[str, Field(description="Where news of the order goes.")]
    phone: Annotated[str | None, Field(description="For the carrier, if the customer gave one.")] = None


class PlacedItem(Record):
    """One item of an order placed from outside."""

    itemId: Annotated[Uuid, Field(description="The product.")]
    name: Annotated[str, Field(description="What the customer saw it called.")]
    quantity: Annotated[Quantity, Field(description="Pieces of it.")]
    price: UnitPrice


class ShippingAddress(Record):
    """Where an order placed from outside goes."""

    street: Annotated[str, Field(description="Street and house number.")]
    city: Annotated[str, Field(description="City or town.")]
    state: Annotated[str, Field(description="State, province or region.")]
    zip: Annotated[str, Field(description="Postal code, as written in the country.")]
    country: Annotated[str, Field(description="Country, by name or ISO 3166 code.")]


class PlacedPayment(Record):
    """How an order placed from outside is paid."""

    paymentMethod: Annotated[str, Field(description="How the customer pays, in the outside system's words.")]
    transactionId: Annotated[str, Field(description="The outside system's own name for the payment.")]
    amount: Annotated[Money, Field(description="What the customer agreed to pay, in minor units.")]


class PlaceOrder(Command, version="0.0.1", topic=topics.ORDERS_COMMANDS, key="orderId", consumers=("orders",)):
    """An order placed from outside with its own id: it enters the same saga as a cart does, without a cart."""

    orderId: Annotated[Uuid, Field(description="The order, named by whoever places it.")]
    customer: Annotated[Customer, Field(description="Who ordered, and how to reach them.")]
    items: Annotated[Array[PlacedItem], Field(description="What is ordered.")]
    shippingAddress: Annotated[ShippingAddress, Field(description="Where the goods go.")]
    payment: Annotated[PlacedPayment, Field(description="What was agreed about the money.")]
    orderDate: Annotated[Timestamp, Field(description="When the customer ordered.")]
    currency: CurrencyOfAmounts


class OrderLine(Record):
    """One product of an order to be created."""

    productId: Annotated[Uuid, Field(description="The product that is bought.")]
    quantity: Annotated[Quantity, Field(description="Pieces of it.")]
    unitPrice: UnitPrice


class CreateOrder(
    Command,
    topic=topics.ORDERS_COMMANDS,
    key="orderId",
    producers=("checkout-orchestrator",),
    consumers=("orders",),
):
    """Create the order: stock is held and payment authorized. Answered by OrderCreated or OrderRejected."""

    orderId: Annotated[Uuid | None, Field(description="The order; the record's key says the same.")] = None
    cartId: Annotated[Uuid, Field(description="The cart that it came from.")]
    customerId: CustomerId
    items: Annotated[Array[OrderLine], Field(description="What is bought, one entry per product.")]
    total: Total
    currency: CurrencyOfAmounts
    paymentAuthorizationId: OptionalAuthorization = None


class ConfirmOrder(
    Command,
    topic=topics.ORDERS_COMMANDS,
    key="orderId",
    producers=("checkout-orchestrator",),
    consumers=("orders",),
):
    """Promise the order to the customer: the money is captured. Answered by OrderConfirmed."""

    orderId: OrderId
    paymentAuthorizationId: OptionalAuthorization = None
    inventoryReservationId: Annotated[str | None, Field(description="The reservation that holds the goods.")] = None


class CancelOrder(
    Command,
    topic=topics.ORDERS_COMMANDS,
    key="orderId",
    producers=("checkout-orchestrator",),
    consumers=("orders",),
):
    """Call an order off, which is possible until it is completed; a completed one goes through returns.

    Answered by OrderCancelled or OrderCancellationRejected. An order that is cancelled before it exists never will.
    """

    orderId: OrderId
    reason: Annotated[CancellationReason, Field(description="Why it is called off.")]


class CreatedItem(Record):
    """One product of a created order."""

    sku: Annotated[str, Field(description="The product's id, as text.")]
    quantity: Annotated[Quantity, Field(description="Pieces of it.")]
    unitPrice: UnitPrice


class OrderCreated(
    Event,
    topic=topics.ORDERS_EVENTS,
    key="orderId",
    producers=("orders",),
    consumers=("checkout-orchestrator",),
):
    """The order exists; it is a promise only once it is confirmed."""

    orderId: OrderId
    customerId: CustomerId
    total: Total
    currency: CurrencyOfAmounts
    status: Annotated[str, Field(description="The order's first status: CREATED.")]
    items: Annotated[Array[CreatedItem], Field(description="What is bought, one entry per product.")]
    createdAt: Annotated[Timestamp, Field(description="When the order came to be.")]


class OrderRejected(
    Event,
    topic=topics.ORDERS_EVENTS,
    key="orderId",
    producers=("orders",),
    consumers=("checkout-orchestrator", "notifications"),
):
    """The order was not created, and under this id it never will be."""

    orderId: OrderId
    reason: Annotated[OrderRejectionReason, Field(description="What stood against it, for programs.")]
    detail: Annotated[str | None, Field(description="What stood against it, for people.")] = None
    rejectedAt: Annotated[Timestamp, Field(description="When it was turned down.")]


class OrderConfirmed(
    Event,
    topic=topics.ORDERS_EVENTS,
    key="orderId",
    producers=("orders",),
    consumers=("inventory", "shipping", "notifications", "checkout-orchestrator"),
):
    """The order is paid and promised to the customer."""

    orderId: OrderId
    customerId: CustomerId
    confirmationNumber: Annotated[
        str, StringConstraints(pattern=r"^ORD-[0-9]{8}$"), Field(description="What the customer quotes to support.")
    ]
    paymentAuthorizationId: OptionalAuthorization = None
    inventoryReservationId: Annotated[str | None, Field(description="The reservation that holds the goods.")] = None
    total: Total
    currency: CurrencyOfAmounts
    confirmedAt: Annotated[Timestamp, Field(description="When it was promised.")]


class AmendedItem(Record):
    """How one product of an order changed."""

    productId: Annotated[Uuid, Field(description="The product whose quantity changed.")]
    oldQuantity: Annotated[Int, Field(description="Pieces before; 0 if it is new in the order.")]
    newQuantity: Annotated[Int, Field(description="Pieces after; 0 if it left the order.")]
    unitPrice: UnitPrice


class OrderAmended(
    Event,
    topic=topics.ORDERS_EVENTS,
    key="orderId",
    producers=("orders",),
    consumers=("inventory", "notifications"),
):
    """An order was changed after it was created."""

    orderId: OrderId
    revision: Annotated[Revision, Field(description="Which edition of the order this is; it was created as 1.")]
    changedFields: Annotated[Array[AmendableField], Field(description="Which parts are different now.")]
    previousTotal: Annotated[Money, Field(description="What the customer paid for the edition before.")]
    newTotal: Annotated[Money, Field(description="What the customer pays now.")]
    currency: CurrencyOfAmounts
    amendedBy: Annotated[str, Field(description="The person or service who changed it.")]
    reason: Annotated[str | None, Field(description="Why it was changed, in words.")] = None
    amendedAt: Annotated[Timestamp, Field(description="When it was changed.")]
    amendedItems: Annotated[
        Array[AmendedItem] | None, Field(description="Only the products whose quantity changed.")
    ] = None


class OrderCancelled(
    Event,
    topic=topics.ORDERS_EVENTS,
    key="orderId",
    producers=("orders",),
    consumers=("inventory", "payments", "shipping", "notifications", "checkout-orchestrator"),
):
    """The order is called off, or will never exist if it was cancelled first."""

    orderId: OrderId
    customerId: Annotated[Uuid | None, Field(description="Who had bought; unknown where the order never existed.")] = (
        None
    )
    reason: Annotated[CancellationReason, Field(description="Why it was called off.")]
    cancelledAt: Annotated[Timestamp, Field(description="When it was called off.")]


class OrderCancellationRejected(
    Event,
    topic=topics.ORDERS_EVENTS,
    key="orderId",
    producers=("orders",),
    consumers=("checkout-orchestrator", "notifications"),
):
    """The order stands: it can no longer be called off."""

    orderId: OrderId
    requestedReason: Annotated[CancellationReason, Field(description="Why it was to be called off.")]
    reason: Annotated[CancellationRejectionReason, Field(description="What stands against it.")]
    rejectedAt: Annotated[Timestamp, Field(description="When the request was turned down.")]


class OrderCompleted(Event, topic=topics.ORDERS_EVENTS, key="orderId", producers=("orders",), consumers=("payments",)):
    """The goods are with the customer: the order is done."""

    orderId: OrderId
    customerId: CustomerId
    completedAt: Annotated[Timestamp, Field(description="When the goods were handed over.")]


class OrderStatusChanged(Event, topic=topics.ORDERS_EVENTS, key="orderId", producers=("orders",)):
    """An order went from one status to the next: one of these for every accepted transition."""

    orderId: OrderId
    previousStatus: Annotated[StatusBefore, Field(description="What it left.")]
    newStatus: Annotated[StatusAfter, Field(description="What it reached.")]
    sequence: Annotated[Quantity, Field(description="The order's how-manieth transition: a gap is a lost record.")]
    changeReason: Annotated[Text250 | None, Field(description="What made it change, in words.")] = None
    correlationId: Annotated[Uuid | None, Field(description="The conversation in which it changed.")] = None
    changedAt: Annotated[Timestamp, Field(description="When it changed.")]


class OrderPlacedOnHold(Event, topic=topics.ORDERS_EVENTS, key="orderId", producers=("orders",)):
    """An order has to wait until somebody has looked at it."""

    orderId: OrderId
    holdId: HoldId
    reason: Annotated[HoldReason, Field(description="What has to be looked at.")]
    ownerTeam: Annotated[str, Field(description="Who has to look.")]
    customerMessage: Annotated[
        Annotated[str, Field(max_length=280)] | None, Field(description="What the customer is told, if anything.")
    ] = None
    reviewBy: Annotated[Timestamp, Field(description="When somebody must have looked.")]
    placedAt: Annotated[Timestamp, Field(description="When the waiting began.")]


class OrderHoldReleased(Event, topic=topics.ORDERS_EVENTS, key="orderId", producers=("orders",)):
    """An order that had to wait goes on."""

    orderId: OrderId
    holdId: HoldId
    previousReason: Annotated[HoldReason, Field(description="What had to be looked at.")]
    resolution: Annotated[Text250, Field(description="What came of it, in words.")]
    releasedBy: Annotated[str, Field(description="Who looked.")]
    nextStatus: Annotated[StatusAfterHold, Field(description="Where the order goes on.")]
    releasedAt: Annotated[Timestamp, Field(description="When the waiting ended.")]


class OrderFulfilmentStarted(Event, topic=topics.ORDERS_EVENTS, key="orderId", producers=("orders",)):
    """A warehouse has begun to pick the goods."""

    orderId: OrderId
    fulfilmentId: Annotated[Uuid, Field(description="This run of picking and packing.")]
    warehouseId: Annotated[str, Field(description="Which warehouse picks, by its short name.")]
    itemCount: Annotated[Quantity, Field(description="Pieces to pick, over all products.")]
    priority: Annotated[FulfilmentPriority, Field(description="How soon the parcel has to leave.")]
    deliveryMethod: Annotated[DeliveryMethod, Field(description="How the goods reach the customer.")]
    estimatedDispatchAt: Annotated[Timestamp | None, Field(description="When the parcel should leave.")] = None
    startedAt: Annotated[Timestamp, Field(description="When the picking began.")]


class DeliveryAddress(Record):
    """Where a parcel goes."""

    recipientName: Annotated[str, Field(description="Whose name is on the label.")]
    line1: Annotated[str, Field(description="Street and house number.")]
    line2: Annotated[str | None, Field(description="Flat, floor, company, and the like.")] = None
    city: Annotated[str, Field(description="City or town.")]
    postalCode: Annotated[str, Field(description="As written in the country.")]
    countryCode: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1 alpha-2.")]


class OrderDeliveryAddressChanged(Event, topic=topics.ORDERS_EVENTS, key="orderId", producers=("orders",)):
    """An order goes somewhere else than was said before."""

    orderId: OrderId
    addressRevision: Annotated[Revision, Field(description="Which edition of the address this is; the first was 1.")]
    previousPostalCode: Annotated[str, Field(description="Where it went before: enough to see how far the change is.")]
    deliveryAddress: Annotated[DeliveryAddress, Field(description="Where it goes now.")]
    changedBy: Annotated[str, Field(description="The person or service who changed it.")]
    changedAt: Annotated[Timestamp, Field(description="When it was changed.")]


class OrderArchived(Event, topic=topics.ORDERS_EVENTS, key="orderId", producers=("orders",)):
    """An ended order was moved to the archive: nothing follows. The record itself lies in an S3-compatible bucket."""

    orderId: OrderId
    terminalStatus: Annotated[TerminalStatus, Field(description="How the order ended.")]
    retentionCategory: Annotated[RetentionCategory, Field(description="Which rule says how long it is kept.")]
    archiveReference: Annotated[str, Field(description="Bucket and object that hold the record.")]
    recordChecksum: Annotated[
        str, StringConstraints(pattern=r"^[a-f0-9]{64}$"), Field(description="SHA-256 of the object, in hex.")
    ]
    terminalAt: Annotated[Timestamp, Field(description="When the order ended.")]
    archivedAt: Annotated[Timestamp, Field(description="When the archive had it.")]


class OrderStatus(Symbols):
    """Where an order is in its life."""

    CREATED = "CREATED"
    CONFIRMED = "CONFIRMED"
    ON_HOLD = "ON_HOLD"
    AWAITING_FULFILMENT = "AWAITING_FULFILMENT"
    FULFILLING = "FULFILLING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    ARCHIVED = "ARCHIVED"
    REJECTED = "REJECTED"
    UNRECOGNIZED = "UNRECOGNIZED"


class OrderedItem(Record):
    """One product of an order, as a read model shows it."""

    productId: Annotated[Uuid, Field(description="The product that was bought.")]
    quantity: Annotated[Int, Field(description="Pieces of it.")]
    unitPrice: UnitPrice


class OrderState(Event, topic=topics.ORDERS_STATE, key="orderId", producers=("order-state",)):
    """An order as it stands after the last of its events: the whole of it, so nobody needs an earlier record."""

    orderId: OrderId
    customerId: Annotated[Uuid | None, Field(description="Who buys; unknown where the order never existed.")] = None
    status: Annotated[OrderStatus, Field(description="Where the order is in its life.")]
    sequence: Annotated[Count, Field(description="How many transitions it has made, as in OrderStatusChanged.")]
    revision: Annotated[Quantity, Field(description="Which edition of the order this is; it was created as 1.")]
    items: Annotated[
        Array[OrderedItem], Field(description="What is bought, one entry per product; none where it never existed.")
    ]
    total: Annotated[
        Money | None, Field(description="What the customer pays, in minor units; none where it never existed.")
    ] = None
    currency: Annotated[Currency | None, Field(description="Of every amount in this message.")] = None
    confirmationNumber: Annotated[str | None, Field(description="What the customer quotes to support.")] = None
    cancellationReason: Annotated[
        CancellationReason | None, Field(description="Why it was called off; also none where only newer code knows.")
    ] = None
    rejectionReason: Annotated[
        OrderRejectionReason | None, Field(description="Why it was not created; also none where only newer code knows.")
    ] = None
    createdAt: Annotated[Timestamp | None, Field(description="When the order came to be.")] = None
    confirmedAt: Annotated[Timestamp | None, Field(description="When it was promised.")] = None
    completedAt: Annotated[Timestamp | None, Field(description="When the goods were handed over.")] = None
    cancelledAt: Annotated[Timestamp | None, Field(description="When it was called off.")] = None
    rejectedAt: Annotated[Timestamp | None, Field(description="When it was turned down.")] = None
    updatedAt: Annotated[Timestamp, Field(description="When the event came that made it so.")]


class OrderDetails(Record):
    """An order as it stands."""

    orderId: OrderId
    customerId: CustomerId
    status: Annotated[str, Field(description="Where the order is in its life, as in OrderStatusChanged.")]
    items: Annotated[Array[OrderedItem], Field(description="What is bought, one entry per product.")]
    total: Total
    currency: CurrencyOfAmounts
    createdAt: Annotated[Timestamp | None, Field(description="When the order came to be.")] = None


class GetOrder(Query, consumers=("orders",), answer=OrderDetails):
    """Ask how an order stands. Elsewhere called "Get order details" 0.0.1."""

    orderId: OrderId
