"""What is kept of a payment. At any time at most one call to the gateway is on its way for it."""

from enum import StrEnum

import msgspec

from schemas.payments import PaymentFailureReason, ReversalReason

_DAY = 24 * 60 * 60 * 1_000
#: How long a payment that has ended stays, and answers repeats.
TERMINAL_STAYS = _DAY
#: How long one stays whose order is completed.
SETTLED_STAYS = 30 * _DAY


class Status(StrEnum):
    """Those in -ING wait for the gateway."""

    #: Nobody has said anything of it.
    UNKNOWN = "UNKNOWN"
    AUTHORIZING = "AUTHORIZING"
    AUTHORIZED = "AUTHORIZED"
    DECLINED = "DECLINED"
    CAPTURING = "CAPTURING"
    CAPTURED = "CAPTURED"
    #: The money is still held.
    CAPTURE_FAILED = "CAPTURE_FAILED"
    VOIDING = "VOIDING"
    #: Also where it was undone before it was asked for.
    VOIDED = "VOIDED"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"


class Payment(msgspec.Struct, frozen=True):
    """All that its answers are made of: a repeated request gets the same one."""

    payment_id: str
    status: Status = Status.UNKNOWN
    #: When that came to be.
    since: int = 0
    customer_id: str = ""
    #: What was asked to be held, in minor units.
    amount: int = 0
    currency: str = ""
    #: The gateway's name for what it holds, and its answer as it came.
    authorization_id: str = ""
    gateway_response: str = ""
    authorized_at: int = 0
    captured: int = 0
    captured_at: int = 0
    #: Why the gateway said no, if it did.
    failure: PaymentFailureReason = PaymentFailureReason.PROCESSING_ERROR
    #: Why the money is to go back. Set while the gateway is still busy with the way there, it is done afterwards.
    undone_for: ReversalReason | None = None
    #: When it is forgotten; None while it lives.
    stays_until: int | None = None
