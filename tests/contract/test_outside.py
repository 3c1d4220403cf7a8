"""Calls to the outside, on the twin and on real Kafka: under one id, whoever dies between question and answer."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas import topics
from schemas.payments import AuthorizePayment, PaymentFailed, PaymentFailureReason
from streams.effects import UnavailableError
from tests.contract.payments import Charge, Payment, Refused, payments
from tests.contract.test_engine import contents, cuts
from tests.contract.test_twin import id_of
from tests.contract.worlds import MakeWorld
from tests.contract.worlds.moments import Moment


@dataclass(frozen=True)
class Gateway:
    """A ledger by idempotency key that outlives its callers. Refuses odd amounts; is away for the first calls."""

    ledger: Path
    away: int = 0

    def charge(self, charge: Charge, effect_id: str) -> Refused | None:
        with self.ledger.open("a") as ledger:
            ledger.write(f"{effect_id} {charge.amount}\n")
        if len(self.asked()) <= self.away:
            raise UnavailableError("the gateway is away")
        return Refused(PaymentFailureReason.CARD_DECLINED) if charge.amount % 2 else None

    def asked(self) -> list[str]:
        return self.ledger.read_text().splitlines()


def authorize(number: int, amount: int) -> AuthorizePayment:
    return AuthorizePayment(paymentId=id_of(number), cartId=id_of(number), amount=amount, currency="EUR")


@pytest.mark.parametrize(
    ("make_world", "dies_at"),
    cuts(
        Moment.DECIDED,
        Moment.CHANGELOG_ACKNOWLEDGED,
        Moment.ASKED,
        Moment.ANSWERED,
        Moment.TOLD,
        Moment.COMMITTED,
    ),
    indirect=["make_world"],
)
def test_each_is_asked_under_one_id_whenever_the_worker_dies(
    make_world: MakeWorld, dies_at: object, tmp_path: Path
) -> None:
    gateway = Gateway(tmp_path / "ledger")
    world = make_world(payments, dies_at=dies_at, perform={Charge: gateway.charge})
    world.publish(*(authorize(number, 100 + number) for number in range(1, 5)))
    world.run()
    assert world.crashes() == 1
    assert world.states(payments) == {id_of(number): Payment(100 + number, answers=1) for number in range(1, 5)}
    assert len(set(gateway.asked())) == 4
    failed = contents(world.messages(topics.PAYMENTS_EVENTS)).values()
    assert {message.paymentId for message in failed if isinstance(message, PaymentFailed)} == {id_of(1), id_of(3)}


def test_a_performer_that_is_away_is_asked_again_under_the_same_id(make_world: MakeWorld, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "ledger", away=3)
    world = make_world(payments, perform={Charge: gateway.charge})
    world.publish(authorize(1, 100))
    world.run()
    assert world.states(payments) == {id_of(1): Payment(100, answers=1)}
    assert (len(gateway.asked()), len(set(gateway.asked()))) == (4, 1)
