"""Reference topics on Kafka: there before the first decision, followed, and never another service's business."""

from collections.abc import Callable

import pytest
from confluent_kafka.cimpl import NewPartitions

from ops.stack import Addresses
from schemas.avsc import Schema
from schemas.topics import ORDERS_EVENTS, PARTITIONS, PRODUCTS_STATE
from streams.errors import RegistryUnavailableError
from streams.kafka import references
from streams.kafka.engine import KafkaEngine
from streams.registry import Registry
from tests import topics
from tests.streams.kafka.engines import SECONDS, Ground, active, confirm, orders, running, until
from tests.streams.pricing import CUP, POT, UNLISTED, listed, pricing

pytestmark = pytest.mark.connected

ORDER = next(orders(0))
ELSEWHERE = [next(orders(number)) for number in range(PARTITIONS)]


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(pricing)
    return ground


@pytest.fixture
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "TOPICS_SECONDS", 0.5)


def prices(ground: Ground) -> list[int]:
    """As they were decided for one order."""
    return [each.total for each in ground.messages(ORDERS_EVENTS) if each.orderId == ORDER]


def decided(ground: Ground, *wanted: int) -> Callable[[], bool]:
    return lambda: prices(ground) == list(wanted)


def shows(engine: KafkaEngine, ground: Ground, price: int) -> Callable[[], bool]:
    """Whether a decision made now sees the price; it asks for one each time."""

    def holds() -> bool:
        before = len(prices(ground))
        ground.publish(confirm(ORDER, CUP))
        until(lambda: len(prices(ground)) > before, engine)
        return prices(ground)[-1] == price

    return holds


def held(engine: KafkaEngine, ground: Ground, keys: int) -> Callable[[], bool]:
    return lambda: engine.status().references == {PRODUCTS_STATE.name(ground.environment): keys}


@pytest.mark.parametrize("lives", [1, 2])
def test_what_is_listed_is_there_before_the_first_decision_of_each_life(ground: Ground, lives: int) -> None:
    ground.publish(listed(CUP, 1), *(listed(order, 9) for order in ELSEWHERE), listed(CUP, 2))
    for number in range(1, lives + 1):
        ground.publish(confirm(ORDER, CUP))
        engine = ground.engine(pricing)
        with running(engine):
            until(decided(ground, *[2] * number), engine)
            assert held(engine, ground, 1 + PARTITIONS)()


def test_an_engine_that_runs_sees_an_update_and_a_tombstone(ground: Ground) -> None:
    ground.publish(listed(CUP, 1), listed(POT, 9))
    engine = ground.engine(pricing)
    with running(engine):
        until(shows(engine, ground, 1), engine)
        ground.publish(listed(CUP, 2))
        until(shows(engine, ground, 2), engine)
        ground.put(PRODUCTS_STATE, None, CUP.encode())
        ground.flush()
        until(shows(engine, ground, UNLISTED), engine)
        assert held(engine, ground, 1)()


def test_each_of_two_engines_has_the_whole_list_and_half_of_the_orders(ground: Ground) -> None:
    ground.publish(*(listed(order, 7) for order in ELSEWHERE))
    one, other = ground.engine(pricing), ground.engine(pricing)
    with running(one, other):
        until(lambda: len(active(one)) == len(active(other)) == PARTITIONS // 2, one, other)
        assert held(one, ground, PARTITIONS)()
        assert held(other, ground, PARTITIONS)()
        # Each order names a product that lies on the partition of the next one.
        ground.publish(*(confirm(order, ELSEWHERE[number - 1]) for number, order in enumerate(ELSEWHERE)))
        until(lambda: [each.total for each in ground.messages(ORDERS_EVENTS)] == [7] * PARTITIONS, one, other)


def test_a_reference_topic_may_be_divided_otherwise_than_the_inputs(stack: Addresses, unique: str) -> None:
    ground = Ground(stack.kafka, unique)
    name = PRODUCTS_STATE.name(unique)
    topics.make(stack.kafka, name, partitions=1)
    ground.make_topics(pricing, references=False)
    for product in (CUP, POT):
        ground.put(name, ground.codec.encode(listed(product, 3)), product.encode(), partition=0)
    ground.publish(confirm(ORDER, POT))
    engine = ground.engine(pricing)
    with running(engine):
        until(decided(ground, 3), engine)


def test_nothing_is_decided_while_the_reference_topic_is_missing(
    stack: Addresses, unique: str, caplog: pytest.LogCaptureFixture
) -> None:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(pricing, references=False)
    ground.publish(confirm(ORDER, CUP))
    complaint = f"what there is of {PRODUCTS_STATE.name(unique)}"
    engine = ground.engine(pricing)
    with running(engine):
        until(lambda: engine.status().assigned, engine)
        complaints = caplog.text.count(complaint)
        # One a second, and an engine with nothing to restore needs no five of them to decide.
        until(lambda: caplog.text.count(complaint) >= complaints + 5, engine)
        assert active(engine) == set()
        assert prices(ground) == []
        assert not engine.status().recovered
        ground.make_topics(pricing)
        until(lambda: len(active(engine)) == PARTITIONS, engine)
        until(decided(ground, UNLISTED), engine)


def test_what_can_not_be_read_takes_nothing_back_and_is_told_of(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    name = PRODUCTS_STATE.name(ground.environment)
    ground.publish(listed(CUP, 1))
    ground.put(PRODUCTS_STATE, b"rubbish", CUP.encode())
    ground.put(PRODUCTS_STATE, ground.codec.encode(listed(CUP, 8)), b"\xff", partition=0)
    ground.publish(confirm(ORDER, CUP))
    engine = ground.engine(pricing)
    with running(engine):
        until(decided(ground, 1), engine)
        assert engine.counters.unreadable_references == {name: 2}
    assert f"{CUP.encode()!r} keeps what it had before: wrong magic byte" in caplog.text
    assert f"{name}[0]@" in caplog.text
    assert ground.dead_letters(pricing) == []


def test_a_message_that_the_service_does_not_read_ends_what_its_key_had(ground: Ground) -> None:
    ground.publish(listed(CUP, 1))
    ground.put(PRODUCTS_STATE, ground.codec.encode(confirm(ORDER)), CUP.encode())
    ground.publish(confirm(ORDER, CUP))
    engine = ground.engine(pricing)
    with running(engine):
        until(decided(ground, UNLISTED), engine)


class _Forgetful:
    """A registry that is away for whoever asks for a schema, until it is told otherwise."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.away = True

    def schema_of(self, schema_id: int) -> Schema | None:
        if self.away:
            raise RegistryUnavailableError("memory", "does not answer")
        return self._registry.schema_of(schema_id)

    def id_of(self, subject: str, schema: Schema) -> int:
        return self._registry.id_of(subject, schema)


def test_a_registry_that_is_away_is_waited_for(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    ground.publish(listed(CUP, 1), listed(CUP, 2), confirm(ORDER, CUP))
    registry = _Forgetful(ground.registry)
    engine = ground.engine(pricing, registry=registry)
    with running(engine):
        until(lambda: caplog.text.count("can't be read (the schema registry at memory") > 1, engine)
        assert active(engine) == set()
        registry.away = False
        until(decided(ground, 2), engine)


@pytest.mark.usefixtures("_looks_often")
def test_a_topic_that_is_made_anew_is_read_anew_and_what_it_said_holds_until_then(ground: Ground) -> None:
    ground.publish(listed(CUP, 1), listed(CUP, 2), listed(POT, 9))
    engine = ground.engine(pricing)
    with running(engine):
        until(shows(engine, ground, 2), engine)
        ground.delete_topic(PRODUCTS_STATE.name(ground.environment))
        assert shows(engine, ground, 2)()
        ground.make_topics(pricing)
        ground.publish(listed(CUP, 3))
        until(shows(engine, ground, 3), engine)
        until(held(engine, ground, 1), engine)


@pytest.mark.usefixtures("_looks_often")
def test_partitions_that_are_added_are_read(ground: Ground) -> None:
    name = PRODUCTS_STATE.name(ground.environment)
    engine = ground.engine(pricing)
    with running(engine):
        until(lambda: len(active(engine)) == PARTITIONS, engine)
        ground.admin.create_partitions([NewPartitions(name, PARTITIONS + 1)])[name].result(SECONDS)
        ground.put(name, ground.codec.encode(listed(CUP, 4)), CUP.encode(), partition=PARTITIONS)
        ground.flush()
        until(shows(engine, ground, 4), engine)


def test_it_joins_no_group(ground: Ground) -> None:
    """All partitions of a reference topic are read by everybody, so nobody commits anything of them."""
    ground.publish(listed(CUP, 1), confirm(ORDER, CUP))
    engine = ground.engine(pricing)
    with running(engine):
        until(decided(ground, 1), engine)
    assert {offset for offset, _ in ground.committed(pricing, PRODUCTS_STATE).values()} == {-1001}
