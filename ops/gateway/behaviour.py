"""How the simulated gateway behaves. Chance comes from a seed and from what is asked: a retry meets the same fate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from schemas.payments import PaymentFailureReason

_BITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """By default it says yes, at once and always. Shares are between 0 and 1, times are millis."""

    seed: int = 0
    #: Of all payments, by what the gateway objects to.
    declined: Mapping[PaymentFailureReason, float] = field(default_factory=dict)
    #: Of all captures.
    refused: float = 0.0
    #: Of all first calls: what was asked is done, and the connection breaks before the answer.
    lost_answers: float = 0.0
    #: Of all first calls: what was asked is done, and the answer comes after `late` millis.
    late_answers: float = 0.0
    late: int = 5_000
    #: Of all other first calls: the answer comes after so many millis, from the shortest to the longest.
    latency: tuple[int, int] = (0, 0)
    #: Nobody is there for the first `outage` millis of each `outage_every`.
    outage: int = 0
    outage_every: int = 60_000

    def is_away(self, now: int) -> bool:
        return now % self.outage_every < self.outage

    def objection(self, payment_id: str) -> PaymentFailureReason | None:
        """To an authorization."""
        drawn = self._chance("declined", payment_id)
        for reason, share in self.declined.items():
            if drawn < share:
                return reason
            drawn -= share
        return None

    def refuses(self, payment_id: str) -> bool:
        return self._chance("refused", payment_id) < self.refused

    def loses_answer(self, idempotency_key: str) -> bool:
        return self._chance("lost", idempotency_key) < self.lost_answers

    def answers_after(self, idempotency_key: str) -> int:
        if self._chance("late", idempotency_key) < self.late_answers:
            return self.late
        shortest, longest = self.latency
        return shortest + int(self._chance("latency", idempotency_key) * (longest - shortest + 1))

    def _chance(self, what: str, whom: str) -> float:
        digest = blake2b(f"{self.seed}/{what}/{whom}".encode(), digest_size=_BITS // 8).digest()
        return int.from_bytes(digest) / 2.0**_BITS


CALM = Behaviour()
#: About as bad as they come in one bad week; the late answers come after the worker's deadline.
ROUGH = Behaviour(
    declined={
        PaymentFailureReason.CARD_DECLINED: 0.04,
        PaymentFailureReason.INSUFFICIENT_FUNDS: 0.03,
        PaymentFailureReason.EXPIRED_CARD: 0.02,
        PaymentFailureReason.FRAUD_SUSPECTED: 0.01,
    },
    refused=0.01,
    lost_answers=0.02,
    late_answers=0.01,
    latency=(20, 200),
    outage=2_000,
)
#: As the setting names them.
BEHAVIOURS: Mapping[str, Behaviour] = {"calm": CALM, "rough": ROUGH}
