"""The simulated gateway: does what it is asked once per idempotency key, as its behaviour lets it."""

import time
from collections.abc import Callable
from typing import Any, assert_never

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
from ops.gateway.behaviour import Behaviour
from ops.gateway.ledger import Ledger, Movement
from schemas.identity import derived_id
from schemas.payments import PaymentFailureReason
from streams.effects import UnavailableError

#: How an answer takes so many millis.
Answer = Callable[[int, Outcome], Any]


def slept(millis: int, outcome: Outcome) -> Outcome:
    if millis:
        time.sleep(millis / 1_000)
    return outcome


def this_moment() -> int:
    return time.time_ns() // 1_000_000


class SimulatedGateway:
    """Performs every effect of payments. For any number of threads."""

    def __init__(
        self,
        ledger: Ledger,
        behaviour: Behaviour,
        *,
        answer: Answer = slept,
        clock: Callable[[], int] = this_moment,
    ) -> None:
        """`answer` and `clock`, in millis: those of a worker; in the twin, `Slowly` and the twin's own."""
        self.ledger = ledger
        self._behaviour = behaviour
        self._answer = answer
        self._clock = clock

    def perform(self, effect: Effect, idempotency_key: str) -> Any:
        """Raises UnavailableError where it is away, and where its answer is lost though it did what was asked."""
        behaviour = self._behaviour
        if behaviour.is_away(self._clock()):
            raise UnavailableError("the simulated gateway is away")
        movement = Movement(effect.payment_id, effect.amount, effect.currency, self._outcome(effect, idempotency_key))
        outcome, entered = self.ledger.enter(idempotency_key, movement)
        if entered and behaviour.loses_answer(idempotency_key):
            raise UnavailableError("the simulated gateway broke off before it answered")
        return self._answer(behaviour.answers_after(idempotency_key) if entered else 0, outcome)

    def _outcome(self, effect: Effect, idempotency_key: str) -> Outcome:
        match effect:
            case Authorize(payment_id=payment_id):
                if (reason := self._behaviour.objection(payment_id)) is not None:
                    return Declined(reason)
                return Authorized(derived_id("authorization", idempotency_key), "approved")
            case Capture(payment_id=payment_id, amount=amount):
                if self._behaviour.refuses(payment_id):
                    return CaptureRefused(PaymentFailureReason.PROCESSING_ERROR)
                return Captured(amount)
            case Void(authorization_id=authorization_id):
                return Voided(authorization_id)
            case Refund(amount=amount):
                return Refunded(amount)
            case _:
                assert_never(effect)
