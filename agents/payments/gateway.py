"""The port to whoever holds and moves the money: what is asked of the gateway, and what it may answer.

Every call comes with an idempotency key, under which the gateway acts once and answers the same again. A refusal of the
business is an outcome; a gateway that can't be reached is an UnavailableError (`streams.effects`).
"""

from dataclasses import dataclass

from schemas.payments import PaymentFailureReason


@dataclass(frozen=True, slots=True)
class Authorize:
    """Hold the amount on the customer's means of payment. Answered by Authorized or Declined."""

    payment_id: str
    customer_id: str
    #: Minor units, as everywhere.
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Capture:
    """Take what is held, or a part of it. Answered by Captured or CaptureRefused."""

    payment_id: str
    authorization_id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Void:
    """Let go of what is held. Answered by Voided."""

    payment_id: str
    authorization_id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Give back what was taken. Answered by Refunded."""

    payment_id: str
    authorization_id: str
    refund_id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Authorized:
    """The amount is held."""

    #: The gateway's own name for it.
    authorization_id: str
    #: The gateway's answer as it came, kept for disputes.
    response: str


@dataclass(frozen=True, slots=True)
class Declined:
    """Nothing is held."""

    reason: PaymentFailureReason


@dataclass(frozen=True, slots=True)
class Captured:
    """The money is taken."""

    amount: int


@dataclass(frozen=True, slots=True)
class CaptureRefused:
    """Nothing was taken; the money is still held."""

    reason: PaymentFailureReason


@dataclass(frozen=True, slots=True)
class Voided:
    """Nothing is held any more."""

    authorization_id: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """The customer has the money back."""

    amount: int


Effect = Authorize | Capture | Void | Refund
Outcome = Authorized | Declined | Captured | CaptureRefused | Voided | Refunded
