"""The declaration of the checkout orchestrator."""

from agents.orchestrator.place_order import place_order
from agents.orchestrator.state import Checkout
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutStarted, StartCheckout
from schemas.inventory import (
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    ReleaseInventory,
    ReserveInventory,
)
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    OrderCancellationRejected,
    OrderCancelled,
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
    RefundPayment,
    RefundProcessed,
    VoidPayment,
)
from streams.decision import Decision, Wake
from streams.service import Service


def decide(
    state: Checkout | None,
    message: StartCheckout
    | InventoryReserved
    | InventoryUnavailable
    | InventoryReleased
    | PaymentProcessed
    | PaymentFailed
    | PaymentCaptured
    | CaptureFailed
    | PaymentVoided
    | RefundProcessed
    | OrderCreated
    | OrderRejected
    | OrderConfirmed
    | OrderCancelled
    | OrderCancellationRejected
    | Wake,
    at: int,
) -> Decision[Checkout]:
    return place_order.decide(state, message, at)


orchestrator = Service(
    name="checkout-orchestrator",
    state=Checkout,
    decide=decide,
    sends=(
        CheckoutStarted,
        CheckoutCompleted,
        CheckoutFailed,
        ReserveInventory,
        ReleaseInventory,
        AuthorizePayment,
        VoidPayment,
        CapturePayment,
        RefundPayment,
        CreateOrder,
        ConfirmOrder,
        CancelOrder,
    ),
)
