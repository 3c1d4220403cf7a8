"""What a message says, in a few words, and what it tells of how things stand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected, CheckoutStarted, CheckoutStep
from schemas.inventory import InventoryReleased, InventoryReserved, InventoryUnavailable, ReserveInventory
from schemas.message import Message
from schemas.orders import (
    ConfirmOrder,
    CreateOrder,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
)
from schemas.payments import (
    AuthorizePayment,
    CaptureFailed,
    CapturePayment,
    PaymentCaptured,
    PaymentFailed,
    PaymentProcessed,
    PaymentVoided,
    RefundProcessed,
    RefundRequested,
)

#: Which step of the checkout each of these asks for.
STEPS: Mapping[type[Message], CheckoutStep] = {
    ReserveInventory: CheckoutStep.RESERVE_INVENTORY,
    AuthorizePayment: CheckoutStep.AUTHORIZE_PAYMENT,
    CreateOrder: CheckoutStep.CREATE_ORDER,
    CapturePayment: CheckoutStep.CAPTURE_PAYMENT,
    ConfirmOrder: CheckoutStep.CONFIRM_ORDER,
}
#: What each of these says is so from now on: of what, and how it stands.
STATES: Mapping[type[Message], tuple[str, str]] = {
    CheckoutStarted: ("checkout", "running"),
    CheckoutRejected: ("checkout", "rejected"),
    CheckoutCompleted: ("checkout", "completed"),
    CheckoutFailed: ("checkout", "failed"),
    InventoryReserved: ("stock", "reserved"),
    InventoryUnavailable: ("stock", "refused"),
    InventoryReleased: ("stock", "released"),
    PaymentProcessed: ("payment", "authorized"),
    PaymentFailed: ("payment", "declined"),
    PaymentCaptured: ("payment", "captured"),
    CaptureFailed: ("payment", "not captured"),
    PaymentVoided: ("payment", "voided"),
    RefundRequested: ("payment", "refunding"),
    RefundProcessed: ("payment", "refunded"),
    OrderCreated: ("order", "created"),
    OrderRejected: ("order", "rejected"),
    OrderConfirmed: ("order", "confirmed"),
    OrderCancelled: ("order", "cancelled"),
    OrderCompleted: ("order", "completed"),
}


def words(message: Message) -> str:
    """A field's name says what it holds in the whole contract, so the words are found by name."""
    said = (how(value, message) for name, how in _HOW.items() if (value := getattr(message, name, None)) is not None)
    return ", ".join(filter(None, said))


def money(amount: int, currency: str) -> str:
    return f"{amount / 100:,.2f} {currency}"


def _pieces(items: Sequence[Any], _: Message) -> str:
    pieces = sum(item.quantity for item in items)
    return f"{pieces} pieces of {len(items)} products"


def _amount(amount: int, message: Message) -> str:
    return money(amount, getattr(message, "currency", ""))


def _undone(steps: Sequence[CheckoutStep], _: Message) -> str:
    return f"undone: {', '.join(steps)}" if steps else ""


def _short(items: Sequence[Any], _: Message) -> str:
    return ", ".join(f"{item.requested} of {item.productId} asked for, {item.available} there" for item in items)


def _plainly(value: object, _: Message) -> str:
    return str(value)


_HOW: Mapping[str, Callable[[Any, Message], str]] = {
    "attempt": lambda attempt, _: f"attempt {attempt}",
    "step": _plainly,
    "reason": _plainly,
    "detail": _plainly,
    "unavailableItems": _short,
    "compensated": _undone,
    "items": _pieces,
    "quantity": lambda quantity, _: f"{quantity} pieces",
    "productId": lambda product, _: f"product {product}",
    "adjusted_quantity": lambda quantity, _: f"{quantity:+} pieces",
    "total": _amount,
    "amount": _amount,
    "promotionCode": lambda code, _: f"code {code}",
    "newStatus": lambda status, message: f"{message.previousStatus} to {status}",  # type: ignore[attr-defined]
    "confirmationNumber": _plainly,
}
