"""What becomes of a payment. The gateway is asked for one authorization, one capture, and one way back at most.

An undo (VoidPayment, RefundPayment, OrderCancelled) names no way: what is held is let go of, what was taken is given
back whole, and the answer says which. While the gateway is busy an undo waits for it. One that comes before the payment
stays as a tombstone, which the late request meets.
"""

from typing import assert_never

from msgspec.structs import replace

from agents.payments import answers
from agents.payments.gateway import (
    Authorize,
    Authorized,
    Capture,
    Captured,
    CaptureRefused,
    Declined,
    Effect,
    Outcome,
    Refund,
    Refunded,
    Void,
    Voided,
)
from agents.payments.state import SETTLED_STAYS, TERMINAL_STAYS, Payment, Status
from schemas.identity import derived_id
from schemas.message import Message
from schemas.orders import OrderCancelled, OrderCompleted
from schemas.payments import (
    AuthorizePayment,
    CapturePayment,
    PaymentFailureReason,
    RefundPayment,
    ReversalReason,
    VoidPayment,
)
from streams.decision import Decision, Performed


def decide(
    state: Payment | None,
    message: AuthorizePayment
    | CapturePayment
    | VoidPayment
    | RefundPayment
    | OrderCancelled
    | OrderCompleted
    | Performed[Authorized | Declined | Captured | CaptureRefused | Voided | Refunded],
    at: int,
) -> Decision[Payment]:
    match message:
        case AuthorizePayment():
            if message.paymentId is None:
                raise ValueError(
                    "AuthorizePayment.paymentId must be set: the record's key says which payment it is about"
                )
            return authorize(state or Payment(message.paymentId), message, at)
        case CapturePayment():
            return capture(state or Payment(message.paymentId), message, at)
        case VoidPayment() | RefundPayment():
            # Without a reason it is the checkout's, which undoes only when it failed.
            reason = message.reason or ReversalReason.CHECKOUT_FAILED
            return undo(state or Payment(message.paymentId), reason, at)
        case OrderCancelled():
            return undo(state or Payment(message.orderId), ReversalReason.ORDER_CANCELLED, at)
        case OrderCompleted():
            return settle(state or Payment(message.orderId), at)
        case Performed():
            # Only a payment that asked is answered, but the types don't say so.
            return hear(state, message.outcome, at) if state else Decision(None)
        case _:
            assert_never(message)


def authorize(payment: Payment, command: AuthorizePayment, at: int) -> Decision[Payment]:
    match payment.status:
        case Status.UNKNOWN:
            customer_id = command.customerId or derived_id("guest", command.cartId)
            asked = Payment(
                payment.payment_id,
                Status.AUTHORIZING,
                at,
                customer_id=customer_id,
                amount=command.amount,
                currency=command.currency,
            )
            return kept(asked, effects=(Authorize(asked.payment_id, customer_id, asked.amount, asked.currency),))
        case Status.AUTHORIZED | Status.CAPTURING | Status.CAPTURED | Status.CAPTURE_FAILED:
            return kept(payment, answers.processed(payment))
        case Status.AUTHORIZING:
            return kept(payment)
        case Status.DECLINED:
            return kept(payment, answers.failed(payment, payment.failure, payment.since))
        case _:
            return kept(payment, answers.failed(payment, PaymentFailureReason.PROCESSING_ERROR, at))


def capture(payment: Payment, command: CapturePayment, at: int) -> Decision[Payment]:
    match payment.status:
        case Status.AUTHORIZED if command.amount <= payment.amount and command.currency == payment.currency:
            return kept(
                replace(payment, status=Status.CAPTURING, since=at),
                effects=(Capture(payment.payment_id, payment.authorization_id, command.amount, payment.currency),),
            )
        case Status.CAPTURING:
            return kept(payment)
        case Status.CAPTURED:
            return kept(payment, answers.captured(payment))
        case Status.CAPTURE_FAILED:
            return kept(payment, answers.capture_failed(payment, payment.failure, payment.since))
        case Status.UNKNOWN if payment.stays_until is None:
            # It stays for the sake of its answer: what is said next must not come under the same id.
            asked = ended(payment, Status.UNKNOWN, at)
            return kept(asked, answers.capture_failed(asked, PaymentFailureReason.PROCESSING_ERROR, at))
        case _:
            return kept(payment, answers.capture_failed(payment, PaymentFailureReason.PROCESSING_ERROR, at))


def undo(payment: Payment, reason: ReversalReason, at: int) -> Decision[Payment]:
    match payment.status:
        case Status.UNKNOWN:
            tombstone = ended(payment, Status.VOIDED, at)
            return kept(tombstone, answers.voided(tombstone))
        case Status.AUTHORIZED | Status.CAPTURE_FAILED | Status.CAPTURED:
            return reverse(replace(payment, undone_for=reason), at)
        case Status.AUTHORIZING | Status.CAPTURING:
            return kept(replace(payment, undone_for=payment.undone_for or reason))
        case Status.VOIDING | Status.REFUNDING:
            return kept(payment)
        case Status.VOIDED | Status.DECLINED:
            return kept(payment, answers.voided(payment))
        case Status.REFUNDED:
            return kept(payment, answers.refunded(payment))
        case _:
            assert_never(payment.status)


def settle(payment: Payment, at: int) -> Decision[Payment]:
    """An order that is completed can't be cancelled any more, so its payment need not wait for that."""
    if payment.status is not Status.CAPTURED or payment.stays_until is not None:
        return kept(payment)
    return kept(replace(payment, stays_until=at + SETTLED_STAYS))


def hear(payment: Payment, outcome: Outcome, at: int) -> Decision[Payment]:
    match payment.status, outcome:
        case Status.AUTHORIZING, Authorized():
            held = replace(
                payment,
                status=Status.AUTHORIZED,
                since=at,
                authorized_at=at,
                authorization_id=outcome.authorization_id,
                gateway_response=outcome.response,
            )
            # Nobody needs to hear of money that is let go of at once.
            return reverse(held, at) if held.undone_for else kept(held, answers.processed(held))
        case Status.AUTHORIZING, Declined():
            declined = replace(ended(payment, Status.DECLINED, at), failure=outcome.reason)
            undone = (answers.voided(declined),) if declined.undone_for else ()
            return kept(declined, answers.failed(declined, outcome.reason, at), *undone)
        case Status.CAPTURING, Captured():
            taken = replace(payment, status=Status.CAPTURED, since=at, captured=outcome.amount, captured_at=at)
            told = answers.captured(taken)
            return reverse(taken, at, told) if taken.undone_for else kept(taken, told)
        case Status.CAPTURING, CaptureRefused():
            refused = replace(payment, status=Status.CAPTURE_FAILED, since=at, failure=outcome.reason)
            said = answers.capture_failed(refused, outcome.reason, at)
            return reverse(refused, at, said) if refused.undone_for else kept(refused, said)
        case Status.VOIDING, Voided():
            voided = ended(payment, Status.VOIDED, at)
            return kept(voided, answers.voided(voided))
        case Status.REFUNDING, Refunded():
            refunded = ended(payment, Status.REFUNDED, at)
            return kept(refunded, answers.refunded(refunded))
        case _:
            # Said twice, or late: the payment has moved on.
            return kept(payment)


def reverse(payment: Payment, at: int, *sends: Message) -> Decision[Payment]:
    if payment.status is not Status.CAPTURED:
        let_go = Void(payment.payment_id, payment.authorization_id, payment.amount, payment.currency)
        return kept(replace(payment, status=Status.VOIDING, since=at), *sends, effects=(let_go,))
    refunding = replace(payment, status=Status.REFUNDING, since=at, stays_until=None)
    give_back = Refund(
        payment.payment_id,
        payment.authorization_id,
        answers.refund_id(payment),
        payment.captured,
        payment.currency,
    )
    return kept(refunding, *sends, answers.refund_requested(refunding), effects=(give_back,))


def ended(payment: Payment, status: Status, at: int) -> Payment:
    return replace(payment, status=status, since=at, stays_until=at + TERMINAL_STAYS)


def kept(payment: Payment, *sends: Message, effects: tuple[Effect, ...] = ()) -> Decision[Payment]:
    nothing = payment.status is Status.UNKNOWN and payment.stays_until is None
    return Decision(None if nothing else payment, sends, effects=effects, expires=payment.stays_until)
