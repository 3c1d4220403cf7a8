"""What is said of an order, made from what is kept of it: said again, it is the same."""

from uuid import UUID

from agents.orders.state import Cancellation, Confirmation, Order, Rejection, Status
from schemas.checkout import CheckoutLine, StartCheckout
from schemas.identity import derived_id
from schemas.orders import (
    CancellationReason,
    CancellationRejectionReason,
    CreatedItem,
    OrderCancellationRejected,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
    OrderRejectionReason,
    OrderStatusChanged,
    StatusAfter,
    StatusBefore,
)

#: As many as the contract's eight digits can tell apart.
_NUMBERS = 10**8


def checkout_of(order: Order) -> StartCheckout:
    """An order from outside has no cart: its own id stands there."""
    purchase = order.purchase
    return StartCheckout(
        checkoutId=order.order_id,
        cartId=purchase.cart_id,
        attempt=1,
        customerId=purchase.customer_id,
        items=tuple(
            CheckoutLine(productId=line.product_id, quantity=line.quantity, unitPrice=line.unit_price)
            for line in purchase.lines
        ),
        total=purchase.total,
        currency=purchase.currency,
    )


def created(order: Order) -> OrderCreated:
    purchase = order.purchase
    return OrderCreated(
        orderId=order.order_id,
        customerId=purchase.customer_id,
        total=purchase.total,
        currency=purchase.currency,
        status=Status.CREATED.value,
        items=tuple(
            CreatedItem(sku=line.product_id, quantity=line.quantity, unitPrice=line.unit_price)
            for line in purchase.lines
        ),
        createdAt=order.created_at,
    )


def confirmed(order: Order, confirmation: Confirmation) -> OrderConfirmed:
    return OrderConfirmed(
        orderId=order.order_id,
        customerId=order.purchase.customer_id,
        confirmationNumber=confirmation_number(order.order_id),
        paymentAuthorizationId=confirmation.authorization_id,
        inventoryReservationId=confirmation.reservation_id,
        total=order.purchase.total,
        currency=order.purchase.currency,
        confirmedAt=confirmation.at,
    )


def confirmation_number(order_id: str) -> str:
    """For support to quote, not to find by: of some ten thousand orders two may well have the same."""
    return f"ORD-{UUID(derived_id('confirmation', order_id)).int % _NUMBERS:08}"


def cancelled(order: Order, cancellation: Cancellation) -> OrderCancelled:
    return OrderCancelled(
        orderId=order.order_id,
        customerId=order.purchase.customer_id or None,
        reason=cancellation.reason,
        cancelledAt=cancellation.at,
    )


def completed(order: Order, at: int) -> OrderCompleted:
    return OrderCompleted(orderId=order.order_id, customerId=order.purchase.customer_id, completedAt=at)


def rejected(order: Order, rejection: Rejection) -> OrderRejected:
    return OrderRejected(
        orderId=order.order_id, reason=rejection.reason, detail=rejection.detail, rejectedAt=rejection.at
    )


def already_cancelled(order: Order, cancellation: Cancellation, at: int) -> OrderRejected:
    detail = f"it was cancelled before: {cancellation.reason}"
    return rejected(order, Rejection(at, OrderRejectionReason.ALREADY_CANCELLED, detail))


def conflicting(order: Order, total: int, currency: str, at: int) -> OrderRejected:
    known = order.purchase
    detail = (
        f"this id belongs to an order of {known.total} {known.currency} in minor units already; "
        f"the one of {total} {currency} differs from it"
    )
    return rejected(order, Rejection(at, OrderRejectionReason.CONFLICTING_ORDER, detail))


def too_late_to_cancel(order: Order, reason: CancellationReason, at: int) -> OrderCancellationRejected:
    return OrderCancellationRejected(
        orderId=order.order_id, requestedReason=reason, reason=CancellationRejectionReason.COMPLETED, rejectedAt=at
    )


def status_changed(before: Order, after: Order, why: str, at: int) -> OrderStatusChanged:
    return OrderStatusChanged(
        orderId=after.order_id,
        previousStatus=StatusBefore(before.status),
        newStatus=StatusAfter(after.status),
        sequence=after.sequence,
        changeReason=why,
        changedAt=at,
    )
