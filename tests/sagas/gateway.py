"""A gateway that does to each payment what the test says: refuse, lose the answer, keep it waiting, be away."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from agents.payments.gateway import Effect
from ops.gateway.behaviour import Behaviour
from ops.gateway.ledger import Ledger
from ops.gateway.simulated import SimulatedGateway
from schemas.payments import PaymentFailureReason
from streams.effects import Policy, UnavailableError

#: Impatient, for a test waits for each of them.
POLICY = Policy(deadline=400, first_pause=20, longest_pause=200, breaker_failures=3, breaker_pause=300)
#: A call that is held up comes back in the end, or its thread would never.
HELD_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates(Behaviour):
    """By payment, instead of by chance."""

    declines: Mapping[str, PaymentFailureReason] = field(default_factory=dict)
    refused_captures: frozenset[str] = frozenset()
    #: What was asked is done, and the answer is lost, or comes after the deadline.
    lost: frozenset[str] = frozenset()
    too_late: frozenset[str] = frozenset()

    def objection(self, payment_id: str) -> PaymentFailureReason | None:
        return self.declines.get(payment_id)

    def refuses(self, payment_id: str) -> bool:
        return payment_id in self.refused_captures

    def loses_answer(self, idempotency_key: str) -> bool:
        return _payment_of(idempotency_key) in self.lost

    def answers_after(self, idempotency_key: str) -> int:
        return 2 * POLICY.deadline if _payment_of(idempotency_key) in self.too_late else 0


def _payment_of(idempotency_key: str) -> str:
    return idempotency_key.split("/")[1]


@dataclass
class Hold:
    """Calls of one kind for one payment, kept waiting until they are let go."""

    reached: Event = field(default_factory=Event)
    let_go: Event = field(default_factory=Event)


class ToldGateway:
    """The simulated one, and a hand on its wire."""

    def __init__(self, path: Path, fates: Fates) -> None:
        self.ledger = Ledger(path)
        self._simulated = SimulatedGateway(self.ledger, fates)
        self._holds: dict[tuple[type, str], Hold] = {}
        self.away = False

    def hold(self, kind: type, payment_id: str) -> Hold:
        return self._holds.setdefault((kind, payment_id), Hold())

    def perform(self, effect: Effect, idempotency_key: str) -> Any:
        if self.away:
            raise UnavailableError("the gateway is away")
        if (hold := self._holds.get((type(effect), effect.payment_id))) is not None:
            hold.reached.set()
            assert hold.let_go.wait(HELD_SECONDS), "nobody let it go"
        return self._simulated.perform(effect, idempotency_key)
