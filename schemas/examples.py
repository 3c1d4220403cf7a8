"""One valid example of every message, all of one story: a cart of two products becomes an order, and so on.

A field's name says what it holds in the whole contract, so values are looked up by name; a field that nobody gave a
value fails loudly here, not in somebody's documentation.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin

from schemas.avsc import fullname
from schemas.identity import checkout_id, derived_id
from schemas.message import Message, Meta, Record
from schemas.types import Symbols

R = TypeVar("R", bound=Record)

#: 2026-03-02T09:30:00Z; the rest of the story follows at a second's distance.
CHECKED_OUT_AT = 1_772_443_800_000
_DAY = 24 * 60 * 60 * 1_000
CART = derived_id("example", "cart")
CHECKOUT = checkout_id(CART, 1)
CUSTOMER = derived_id("example", "customer")
SUBTOTAL, DISCOUNT = 2 * 1_999 + 4_990, 1_000
TOTAL = SUBTOTAL - DISCOUNT


def _line(name: str, quantity: int, price: int) -> Mapping[str, Any]:
    product = derived_id("example", "product", name)
    return {
        **dict.fromkeys(("productId", "product_id", "itemId", "sku"), product),
        **dict.fromkeys(("unitPrice", "price"), price),
        **dict.fromkeys(("quantity", "newQuantity", "requested"), quantity),
        **dict.fromkeys(("oldQuantity", "available"), quantity - 1),
        "notificationId": derived_id("example", "notification", name),
        "name": name,
    }


LINES = (_line("Espresso cup", 2, 1_999), _line("Moka pot", 1, 4_990))

_ONE_IDENTITY = ("checkoutId", "orderId", "reservationId", "paymentId", "inventoryReservationId")
_IDS = (
    "eventId", "event_id", "refundId", "holdId", "fulfilmentId", "shipmentId", "subscriptionId", "correlationId",
)  # fmt: skip
_TIMES = (
    "occurredAt", "orderDate", "startedAt", "reservedAt", "checkedAt", "timestamp", "requestedAt", "createdAt",
    "capturedAt", "confirmedAt", "completedAt", "rejectedAt", "failedAt", "voidedAt", "processedAt", "paymentDate",
    "amendedAt", "cancelledAt", "changedAt", "placedAt", "reviewBy", "releasedAt", "estimatedDispatchAt", "updatedAt",
    "deliveredAt", "sentAt", "startDate", "effectiveDate", "lastPaymentDate", "nextBillingDate", "terminalAt",
    "archivedAt",
)  # fmt: skip
_PEOPLE = ("changedBy", "amendedBy", "releasedBy", "adjusted_by", "signedBy", "recipientName")

_VALUES: Mapping[str, Any] = {
    **LINES[0],
    **dict.fromkeys(_ONE_IDENTITY, CHECKOUT),
    **dict.fromkeys(("customerId", "userId"), CUSTOMER),
    **{name: derived_id("example", name) for name in _IDS},
    **{name: CHECKED_OUT_AT + 1_000 * second for second, name in enumerate(_TIMES)},
    **dict.fromkeys(_PEOPLE, "Ada Lovelace"),
    **dict.fromkeys(("total", "amount", "newTotal"), TOTAL),
    **dict.fromkeys(("transactionId", "paymentAuthorizationId"), derived_id("example", "authorization")),
    **dict.fromkeys(("warehouseId", "warehouse_id"), derived_id("example", "warehouse")),
    "cartId": CART,
    "attempt": 1,
    "subtotal": SUBTOTAL,
    "discount": DISCOUNT,
    "previousTotal": TOTAL - sum(line["unitPrice"] for line in LINES),
    "currency": "EUR",
    "promotionCode": "SPRING10",
    "code": "SPRING10",
    "percent": 10,
    "minimum": 5_000,
    "validFrom": CHECKED_OUT_AT - _DAY,
    "validUntil": CHECKED_OUT_AT + 30 * _DAY,
    "appliedPromotions": ("SPRING10",),
    "category": "coffee",
    "location": "Hamburg",
    "warehouseLocation": "Hamburg",
    "minStockLevel": 5,
    "inStock": True,
    "page": 1,
    "pageSize": 10,
    "totalItems": 2,
    "availableQuantity": 40,
    "reservedQuantity": 2,
    "reserved": 2,
    "quantityChange": -2,
    "adjusted_quantity": -2,
    "new_quantity": 0,
    "last_available_quantity": 2,
    "adjustment_reason": "stock taking",
    "score": 0.12,
    "gatewayResponse": "approved",
    "status": "CREATED",
    "paymentMethod": "CreditCard",
    "email": "ada@example.com",
    "phone": "+49 40 123456",
    "street": "Deichstrasse 1",
    "line1": "Deichstrasse 1",
    "line2": "2nd floor",
    "city": "Hamburg",
    "state": "Hamburg",
    "zip": "20459",
    "postalCode": "20459",
    "previousPostalCode": "20095",
    "country": "Germany",
    "countryCode": "DE",
    "confirmationNumber": "ORD-00004711",
    "revision": 2,
    "addressRevision": 2,
    "sequence": 1,
    "reason": "the customer asked for it",
    "changeReason": "payment captured",
    "cancellationReason": "moving abroad",
    "failureReason": "nobody at home",
    "resolution": "the address exists",
    "ownerTeam": "payments",
    "customerMessage": "We are having a look at your order.",
    "itemCount": 3,
    "archiveReference": "orders/2026/03/02.parquet",
    "recordChecksum": "0" * 64,
    "shippingMethod": "parcel",
    "shippingProvider": "DHL",
    "type": "OrderConfirmed",
    "title": "Your order is confirmed",
    "message": "ORD-00004711 is on its way to you.",
    "planId": "coffee-monthly",
    "subscriptionPlan": "coffee-monthly",
    "cancelImmediately": False,
    "signUpMethod": "email",
}

#: Where a name means something else in one record, or its first symbol would not fit the rest of the story.
_HERE: Mapping[str, Any] = {
    "CartCommandRejected.reason": "PRICE_DIFFERS",
    "CartCommandRejected.detail": "it costs 1999 EUR cents a piece, and was to be added for 1799",
    "PromotionOffered.amount": None,
    "CheckoutRejected.reason": "DUPLICATE",
    "CheckoutRejected.detail": "this cart's first attempt is still under way",
    "CheckoutFailed.step": "AUTHORIZE_PAYMENT",
    "CheckoutFailed.reason": "PAYMENT_FAILED",
    "CheckoutFailed.detail": "the card was declined",
    "PaymentStatus.paymentStatus": "completed",
    "FraudCheckFailed.score": 0.97,
    "PlacedPayment.amount": SUBTOTAL,
    "OrderRejected.detail": "its cancellation came first",
    "OrderPlacedOnHold.reviewBy": CHECKED_OUT_AT + _DAY,
    "OrderFulfilmentStarted.warehouseId": "HAM-1",
    "UpdateShipmentStatus.status": "shipped",
    "SubscriptionStatus.nextBillingDate": CHECKED_OUT_AT + 30 * _DAY,
}


def example_of(record: type[R]) -> R:
    """The example of a message, or of a query's answer; always the same one."""
    return _built(record, _VALUES)


def _built(record: type[R], values: Mapping[str, Any]) -> R:
    fields = {
        name: _value(record, name, field.annotation, values)
        for name, field in record.model_fields.items()
        if name != "meta"
    }
    if issubclass(record, Message):
        fields["meta"] = Meta(
            messageId=f"example/{fullname(record)}",
            causationId="example/cause",
            correlationId="example/conversation",
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
    return record.model_validate(fields)


def _value(record: type[Record], name: str, annotation: Any, values: Mapping[str, Any]) -> Any:
    here = f"{record.__name__}.{name}"
    if here in _HERE:
        return _HERE[here]
    kind = _plain(annotation)
    if get_origin(kind) is tuple:
        item = _plain(get_args(kind)[0])
        if isinstance(item, type) and issubclass(item, Record):
            return tuple(_built(item, {**values, **line}) for line in LINES)
        if isinstance(item, type) and issubclass(item, Symbols):
            return tuple(item)[:1]
    elif issubclass(kind, Record):
        return _built(kind, values)
    elif issubclass(kind, Symbols):
        return next(iter(kind))
    if name not in values:
        raise TypeError(f"{here} has no example: give the name a value in schemas/examples.py")
    return values[name]


def _plain(annotation: Any) -> Any:
    """What is left of a field's type without None and without what is said about it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin is None or origin is tuple:
        return annotation
    return _plain(next(each for each in get_args(annotation) if each is not NoneType))
