from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

import pytest

from schemas.message import Event
from schemas.orders import CreateOrder, GetOrder, OrderCancelled, OrderCreated
from schemas.payments import AuthorizePayment
from schemas.topics import Topic
from streams.decision import Decision, Wake
from streams.service import Service, ServiceError


@dataclass(frozen=True)
class Order:
    total: int


def decide(state: Order | None, message: CreateOrder | Wake, at: int) -> Decision[Order]:
    return Decision(state)


def test_a_service_consumes_what_its_decider_takes() -> None:
    service = Service(name="orders", state=Order, decide=decide, sends=(OrderCreated,))
    assert_type(service, Service[Order, CreateOrder | Wake])
    assert service.consumes == (CreateOrder,)
    assert service.wakes
    assert [topic.name("dev") for topic in service.topics] == ["orders.dev.commands"]


def test_every_problem_of_a_declaration_is_reported_with_the_line_of_the_decider() -> None:
    def asks(state: int | None, message: GetOrder, at: int) -> Decision[int]:
        return Decision(state)

    with pytest.raises(ServiceError) as raised:
        Service(name="orders", state=str, decide=asks, sends=(GetOrder,))  # type: ignore[arg-type]
    text = str(raised.value)
    assert f"test_service.py:{asks.__code__.co_firstlineno}" in text
    assert "takes state int | None, but the service keeps str: say str | None" in text
    assert "consumes GetOrder, which travels on no topic" in text
    assert "sends GetOrder, which travels on no topic" in text


def test_a_decider_of_another_shape_is_refused() -> None:
    def short(state: Order | None, message: CreateOrder) -> Decision[Order]:
        return Decision(state)

    with pytest.raises(ServiceError, match=r"a decider takes \(state, message, at\)"):
        Service(name="orders", state=Order, decide=short)  # type: ignore[arg-type]


def test_a_decider_that_consumes_nothing_is_refused() -> None:
    def sleeper(state: Order | None, message: Wake, at: int) -> Decision[Order]:
        return Decision(state)

    with pytest.raises(ServiceError, match="consumes no message"):
        Service(name="orders", state=Order, decide=sleeper)


def test_topics_of_unequal_partition_counts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Topic("payments", "commands", "paymentId", timedelta(days=1), partitions=7)
    contract = AuthorizePayment.contract
    monkeypatch.setattr(AuthorizePayment, "contract", type(contract)("command", "1.0.0", odd, None, (), (), None))

    def both(state: Order | None, message: CreateOrder | AuthorizePayment, at: int) -> Decision[Order]:
        return Decision(state)

    with pytest.raises(ServiceError, match=r"orders\.\*\.commands has 4, payments\.\*\.commands has 7"):
        Service(name="orders", state=Order, decide=both)


def test_an_event_outside_the_catalogue_is_refused() -> None:
    class Rumour(Event, topic=Topic("rumours", "events", "orderId", timedelta(days=1))):
        """Nobody declared this."""

    def gossip(state: Order | None, message: OrderCancelled, at: int) -> Decision[Order]:
        return Decision(state)

    with pytest.raises(ServiceError, match="sends Rumour"):
        Service(name="orders", state=Order, decide=gossip, sends=(Rumour,))
