"""The saga "Place an Order".

Stock comes before money, since a declined card is cheaper than a refund; money is taken only once the order exists.
"""

from msgspec.structs import replace

from agents.orchestrator.saga import Saga, Step
from agents.orchestrator.state import Checkout
from schemas.checkout import CheckoutFailureReason, CheckoutStep
from schemas.identity import derived_id
from schemas.inventory import (
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    ReleaseInventory,
    ReleaseReason,
    ReserveInventory,
    StockLine,
)
from schemas.message import Message
from schemas.orders import (
    CancellationReason,
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    OrderCancellationRejected,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderLine,
    OrderRejected,
)
from schemas.payments import (
    AuthorizePayment,
    CaptureFailed,
    CapturePayment,
    PaymentCaptured,
    PaymentFailed,
    PaymentOutcome,
    PaymentProcessed,
    PaymentVoided,
    RefundPayment,
    RefundProcessed,
    ReversalReason,
    VoidPayment,
)

#: Long enough for a backlog to drain: to ask again sooner would only add to it.
WITHIN = 120_000

#: What an order is cancelled for when its checkout fails so.
_CANCELLED_FOR = {
    CheckoutFailureReason.INVENTORY_UNAVAILABLE: CancellationReason.OUT_OF_STOCK,
    CheckoutFailureReason.PAYMENT_FAILED: CancellationReason.PAYMENT_FAILED,
    CheckoutFailureReason.CAPTURE_FAILED: CancellationReason.PAYMENT_FAILED,
}


def _reserve(checkout: Checkout) -> ReserveInventory:
    start = checkout.start
    return ReserveInventory(
        reservationId=start.checkoutId,
        cartId=start.cartId,
        customerId=start.customerId,
        items=tuple(StockLine(productId=line.productId, quantity=line.quantity) for line in start.items),
    )


def _release(checkout: Checkout) -> ReleaseInventory:
    reason = ReleaseReason.ORDER_CANCELLED if _was_cancelled(checkout) else ReleaseReason.CHECKOUT_FAILED
    return ReleaseInventory(reservationId=checkout.start.checkoutId, reason=reason)


def _shortages(message: InventoryUnavailable) -> str:
    if not message.unavailableItems:
        return "the reservation had been given back"
    return "; ".join(
        f"product {item.productId}: {item.requested} asked for, {item.available} available"
        for item in message.unavailableItems
    )


def _authorize(checkout: Checkout) -> AuthorizePayment:
    start = checkout.start
    return AuthorizePayment(
        paymentId=start.checkoutId,
        cartId=start.cartId,
        customerId=start.customerId,
        amount=start.total,
        currency=start.currency,
    )


def _authorized(checkout: Checkout, message: PaymentProcessed) -> Checkout | None:
    if message.status is not PaymentOutcome.CONFIRMED:
        return None
    return replace(checkout, authorization=message.transactionId)


def _void(checkout: Checkout) -> VoidPayment:
    start = checkout.start
    return VoidPayment(paymentId=start.checkoutId, orderId=start.checkoutId, reason=_reversed_for(checkout))


def _create(checkout: Checkout) -> CreateOrder:
    start = checkout.start
    return CreateOrder(
        orderId=start.checkoutId,
        cartId=start.cartId,
        customerId=start.customerId,
        items=tuple(
            OrderLine(productId=line.productId, quantity=line.quantity, unitPrice=line.unitPrice)
            for line in start.items
        ),
        total=start.total,
        currency=start.currency,
        paymentAuthorizationId=checkout.authorization,
    )


def _cancel(checkout: Checkout) -> CancelOrder:
    reason = CancellationReason.CUSTOMER_REQUESTED
    if checkout.failure is not None:
        reason = _CANCELLED_FOR.get(checkout.failure.reason, reason)
    return CancelOrder(orderId=checkout.start.checkoutId, reason=reason)


def _capture(checkout: Checkout) -> CapturePayment:
    start = checkout.start
    return CapturePayment(
        paymentId=start.checkoutId, orderId=start.checkoutId, amount=start.total, currency=start.currency
    )


def _refund(checkout: Checkout) -> RefundPayment:
    start = checkout.start
    return RefundPayment(
        refundId=derived_id("refund", start.checkoutId),
        paymentId=start.checkoutId,
        orderId=start.checkoutId,
        amount=start.total,
        currency=start.currency,
        reason=_reversed_for(checkout),
    )


def _confirm(checkout: Checkout) -> ConfirmOrder:
    order_id = checkout.start.checkoutId
    return ConfirmOrder(
        orderId=order_id, paymentAuthorizationId=checkout.authorization, inventoryReservationId=order_id
    )


def _was_cancelled(checkout: Checkout) -> bool:
    return checkout.failure is not None and checkout.failure.reason is CheckoutFailureReason.CANCELLED


def _reversed_for(checkout: Checkout) -> ReversalReason:
    return ReversalReason.ORDER_CANCELLED if _was_cancelled(checkout) else ReversalReason.CHECKOUT_FAILED


def _declined(message: PaymentFailed | CaptureFailed) -> str:
    return message.reason.value


def _stopped(message: Message) -> tuple[CheckoutFailureReason, str]:
    """Stock is given back unasked when its time is up; everything else because the customer cancelled."""
    if isinstance(message, InventoryReleased) and message.reason is ReleaseReason.EXPIRED:
        return CheckoutFailureReason.INVENTORY_UNAVAILABLE, "the reservation expired before the order was confirmed"
    return CheckoutFailureReason.CANCELLED, "the order was cancelled"


def _rejected(message: OrderRejected) -> str:
    return message.detail or message.reason.value


place_order = Saga(
    steps=(
        Step(
            name=CheckoutStep.RESERVE_INVENTORY,
            ask=_reserve,
            ok=InventoryReserved,
            no=InventoryUnavailable,
            refused=CheckoutFailureReason.INVENTORY_UNAVAILABLE,
            why=_shortages,
            undo=_release,
            undone=(InventoryReleased,),
            within=WITHIN,
        ),
        Step(
            name=CheckoutStep.AUTHORIZE_PAYMENT,
            ask=_authorize,
            ok=PaymentProcessed,
            learn=_authorized,
            no=PaymentFailed,
            refused=CheckoutFailureReason.PAYMENT_FAILED,
            why=_declined,
            undo=_void,
            undone=(PaymentVoided, RefundProcessed),
            within=WITHIN,
        ),
        Step(
            name=CheckoutStep.CREATE_ORDER,
            ask=_create,
            ok=OrderCreated,
            no=OrderRejected,
            refused=CheckoutFailureReason.ORDER_REJECTED,
            why=_rejected,
            undo=_cancel,
            undone=(OrderCancelled,),
            within=WITHIN,
        ),
        Step(
            name=CheckoutStep.CAPTURE_PAYMENT,
            ask=_capture,
            ok=PaymentCaptured,
            no=CaptureFailed,
            refused=CheckoutFailureReason.CAPTURE_FAILED,
            why=_declined,
            undo=_refund,
            undone=(RefundProcessed, PaymentVoided),
            within=WITHIN,
        ),
        Step(
            name=CheckoutStep.CONFIRM_ORDER,
            ask=_confirm,
            ok=OrderConfirmed,
            # Before the money goes back: what is promised may be sent at any moment.
            undo=_cancel,
            undone=(OrderCancelled,),
            stands=OrderCancellationRejected,
            within=WITHIN,
        ),
    ),
    stopped=_stopped,
)
