"""How far a checkout has come."""

from enum import StrEnum

import msgspec

from schemas.checkout import CheckoutFailureReason, CheckoutStep, StartCheckout


class Phase(StrEnum):
    """Forward, back, or at an end."""

    RUNNING = "running"
    UNDOING = "undoing"
    COMPLETED = "completed"
    FAILED = "failed"


class Failure(msgspec.Struct, frozen=True):
    """Why it goes back."""

    step: CheckoutStep
    reason: CheckoutFailureReason
    detail: str


class Checkout(msgspec.Struct, frozen=True):
    """A saga on its way, and for a while after its end, so that what comes late is known."""

    start: StartCheckout
    phase: Phase
    #: Steps that are done, in their order; while undoing those that are still to be undone.
    done: tuple[CheckoutStep, ...] = ()
    #: Steps that are undone, in the order undone.
    undone: tuple[CheckoutStep, ...] = ()
    #: What is asked for now: the step under way, or the one being undone.
    asked: CheckoutStep | None = None
    #: How often.
    times: int = 0
    #: When it is asked for again.
    deadline: int | None = None
    #: What the gateway calls the money that it holds.
    authorization: str | None = None
    failure: Failure | None = None
    #: When it is forgotten.
    expires: int | None = None
