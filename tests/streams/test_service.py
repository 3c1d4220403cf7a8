from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

import pytest

from schemas.message import Event
from schemas.orders import CreateOrder, GetOrder, OrderCancelled, OrderCreated
from schemas.payments import AuthorizePayment
from schemas.shopping import CalculateDiscount, ProductListed, PromotionOffered
from schemas.topics import Topic
from streams.decision import Decision, Performed, Wake
from streams.service import Service, ServiceError, Upcaster
from streams.tables import Tables


@dataclass(frozen=True)
class Order:
    total: int


@dataclass(frozen=True)
class Paid:
    reference: str


class Other:
    @dataclass(frozen=True)
    class Paid:
        amount: int


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


def priced(state: Order | None, message: CreateOrder, at: int, tables: Tables) -> Decision[Order]:
    assert_type(tables.get(ProductListed, "a product"), ProductListed | None)
    return Decision(state)


def test_a_service_names_the_reference_data_that_its_decider_looks_up() -> None:
    service = Service(name="orders", state=Order, decide=priced, reads=(ProductListed, PromotionOffered))
    assert_type(service, Service[Order, CreateOrder])
    assert service.consumes == (CreateOrder,)
    assert [topic.name("dev") for topic in service.topics] == ["orders.dev.commands"]


def test_tables_and_reads_go_together() -> None:
    with pytest.raises(ServiceError, match=r"takes \(state, message, at\) where its service has no `reads`"):
        Service(name="orders", state=Order, decide=priced)
    with pytest.raises(ServiceError, match=r"takes \(state, message, at, tables\) where its service has `reads`"):
        Service(name="orders", state=Order, decide=decide, reads=(ProductListed,))

    def loose(state: Order | None, message: CreateOrder, at: int, tables: dict[str, int]) -> Decision[Order]:
        return Decision(state)

    with pytest.raises(ServiceError, match="it takes its tables as dict: say Tables"):
        Service(name="orders", state=Order, decide=loose, reads=(ProductListed,))


def test_reference_data_that_nobody_could_hold_is_refused() -> None:
    def lists(state: Order | None, message: ProductListed, at: int, tables: Tables) -> Decision[Order]:
        return Decision(state)

    with pytest.raises(ServiceError, match="reads CalculateDiscount, which travels on no topic of the contract"):
        Service(name="orders", state=Order, decide=priced, reads=(CalculateDiscount,))
    with pytest.raises(ServiceError, match=r"reads OrderCreated, but orders\.\*\.events is not compacted"):
        Service(name="orders", state=Order, decide=priced, reads=(OrderCreated,))
    with pytest.raises(ServiceError, match=r"reads products\.\*\.state as reference data and consumes it"):
        Service(name="orders", state=Order, decide=lists, reads=(ProductListed,))


def paid(
    state: Order | None, message: CreateOrder | Performed[Paid | None] | Performed[str], at: int
) -> Decision[Order]:
    return Decision(state)


def test_a_service_takes_the_outcomes_that_its_decider_names() -> None:
    service = Service(name="orders", state=Order, decide=paid, effects=(Paid,))
    assert service.outcomes == (Paid, type(None), str)
    assert service.consumes == (CreateOrder,)
    assert not service.wakes


def test_outcomes_without_a_name_of_their_own_are_refused() -> None:
    def bare(state: Order | None, message: CreateOrder | Performed, at: int) -> Decision[Order]:  # type: ignore[type-arg]
        return Decision(state)

    def nameless(state: Order | None, message: CreateOrder | Performed[list[int]], at: int) -> Decision[Order]:
        return Decision(state)

    def both(state: Order | None, message: CreateOrder | Performed[Paid | Other.Paid], at: int) -> Decision[Order]:
        return Decision(state)

    with pytest.raises(ServiceError, match=r"which outcomes does it take\? Say Performed\[\.\.\.\]"):
        Service(name="orders", state=Order, decide=bare, effects=(Paid,))
    with pytest.raises(ServiceError, match=r"its outcome list\[\.\.\.\] is no class of its own"):
        Service(name="orders", state=Order, decide=nameless)
    with pytest.raises(ServiceError, match="2 of its effects or outcomes are written as Paid"):
        Service(name="orders", state=Order, decide=both)
    with pytest.raises(ServiceError, match="2 of its effects or outcomes are written as Paid"):
        Service(name="orders", state=Order, decide=paid, effects=(Paid, Other.Paid))


@pytest.mark.parametrize(
    ("version", "upcasts", "problem"),
    [
        (2, (), "its state is of version 2, but it has no upcaster from 1"),
        (4, (1, 3), "its state is of version 4, but it has no upcaster from 2"),
        (5, (2,), "its state is of version 5, but it has no upcaster from 3, 4"),
        (3, (0, 1, 2, 3), "its state is of version 3, so an upcaster from 0, 3 makes no sense"),
        (1, (7,), "its state is of version 1, so an upcaster from 7 makes no sense"),
        (0, (), "its state is of version 0, but versions count from 1"),
    ],
    ids=str,
)
def test_upcasters_that_leave_a_gap_are_refused(version: int, upcasts: tuple[int, ...], problem: str) -> None:
    upcasters: dict[int, Upcaster] = dict.fromkeys(upcasts, lambda state: state)
    with pytest.raises(ServiceError) as raised:
        Service(name="orders", state=Order, decide=decide, version=version, upcasters=upcasters)
    assert str(raised.value).endswith(f": {problem}")


@pytest.mark.parametrize(("version", "upcasts"), [(1, ()), (2, (1,)), (4, (1, 2, 3)), (4, (3,))], ids=str)
def test_upcasters_from_the_oldest_version_that_is_still_read_are_enough(
    version: int, upcasts: tuple[int, ...]
) -> None:
    upcasters: dict[int, Upcaster] = dict.fromkeys(upcasts, lambda state: state)
    service = Service(name="orders", state=Order, decide=decide, version=version, upcasters=upcasters)
    assert hash(service)


def test_an_event_outside_the_catalogue_is_refused() -> None:
    class Rumour(Event, topic=Topic("rumours", "events", "orderId", timedelta(days=1))):
        """Nobody declared this."""

    def gossip(state: Order | None, message: OrderCancelled, at: int) -> Decision[Order]:
        return Decision(state)

    with pytest.raises(ServiceError, match="sends Rumour"):
        Service(name="orders", state=Order, decide=gossip, sends=(Rumour,))
