"""What operators do to topics and offsets behind an engine's back, on Kafka."""

from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.cimpl import NewPartitions

from ops.stack import Addresses
from schemas.orders import ConfirmOrder
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS
from streams.kafka import watch
from streams.kafka.engine import KafkaEngine
from streams.kafka.topics import group_of
from streams.service import Service
from tests.streams.kafka.counting import Count, counter
from tests.streams.kafka.engines import SECONDS, Ground, active, confirm, failure_of, orders, running, until

pytestmark = pytest.mark.connected

ORDER = next(orders(0))
counting: Service[Count, ConfirmOrder] = counter("counting")


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(counting)
    return ground


@pytest.fixture
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TOPICS_SECONDS", 0.5)


def counted(ground: Ground, number: int) -> Any:
    """Whether so many were counted, each once."""

    def holds() -> bool:
        entry = ground.entries(counting).get(ORDER)
        return entry is not None and entry.state == Count(number, number)

    return holds


def has_all(engine: KafkaEngine) -> bool:
    return len(active(engine)) == PARTITIONS


def run_until(ground: Ground, number: int) -> None:
    engine = ground.engine(counting)
    with running(engine):
        until(counted(ground, number), engine)


def reset(ground: Ground, offset: int, metadata: str = "") -> None:
    """As kafka-consumer-groups --reset-offsets does, while nobody is a member."""
    client = Consumer({**ground.client, "group.id": group_of(counting.name, ground.environment)})
    try:
        place = TopicPartition(ORDERS_COMMANDS.name(ground.environment), 0, offset, metadata)
        client.commit(offsets=[place], asynchronous=False)
    finally:
        client.close()


def test_an_input_that_was_deleted_and_made_again_meanwhile_is_read_from_its_beginning(ground: Ground) -> None:
    ground.publish(*[confirm(ORDER)] * 5)
    run_until(ground, 5)
    ground.delete_topic(ORDERS_COMMANDS.name(ground.environment))
    ground.make_topics(counting)
    ground.publish(*[confirm(ORDER)] * 2)
    run_until(ground, 7)
    ground.publish(confirm(ORDER))
    run_until(ground, 8)


@pytest.mark.usefixtures("_looks_often")
def test_an_input_that_is_deleted_and_made_again_while_it_is_read_is_read_from_its_beginning(ground: Ground) -> None:
    ground.publish(*[confirm(ORDER)] * 5)
    engine = ground.engine(counting)
    with running(engine):
        until(counted(ground, 5), engine)
        ground.delete_topic(ORDERS_COMMANDS.name(ground.environment))
        ground.make_topics(counting)
        ground.publish(*[confirm(ORDER)] * 2)
        until(counted(ground, 7), engine)
        ground.publish(confirm(ORDER))
        until(counted(ground, 8), engine)
    numbers = [each.confirmationNumber for each in ground.messages(ORDERS_EVENTS)]
    assert numbers == [f"ORD-{number:08d}" for number in range(1, 9)]


def test_a_changelog_that_was_deleted_and_made_again_is_not_taken_for_an_empty_state(ground: Ground) -> None:
    ground.publish(*[confirm(ORDER)] * 5)
    run_until(ground, 5)
    ground.delete_topic(ground.changelog(counting))
    ground.make_topics(counting)
    ground.publish(confirm(ORDER))
    engine = ground.engine(counting)
    with running(engine):
        failure = failure_of(engine)
    assert failure.startswith(f"{ground.changelog(counting)}: ")
    assert "deleted and made again" in failure
    assert "reset the offsets of counting" in failure
    # Which says that the state is to be made again from what the inputs still have.
    reset(ground, 0)
    run_until(ground, 6)


@pytest.mark.usefixtures("_looks_often")
@pytest.mark.parametrize("again", [True, False], ids=["made again", "gone"])
def test_a_changelog_that_is_deleted_while_it_is_in_use_ends_the_engine(
    ground: Ground, caplog: pytest.LogCaptureFixture, again: bool
) -> None:
    engine = ground.engine(counting)
    with running(engine):
        until(lambda: has_all(engine), engine)
        ground.delete_topic(ground.changelog(counting))
        if again:
            ground.make_topics(counting)
        assert failure_of(engine).startswith(ground.changelog(counting))
    assert "did not let go" not in caplog.text


@pytest.mark.usefixtures("_looks_often")
def test_an_input_with_more_partitions_than_the_state_ends_the_engine_and_lets_none_begin(ground: Ground) -> None:
    name = ORDERS_COMMANDS.name(ground.environment)
    engine = ground.engine(counting)
    with running(engine):
        until(lambda: has_all(engine), engine)
        ground.admin.create_partitions([NewPartitions(name, PARTITIONS + 1)])[name].result(SECONDS)
        assert failure_of(engine).startswith(f"{name} has {PARTITIONS + 1} partitions now")
    with pytest.raises(Exception, match=f"{name} has {PARTITIONS + 1}"), running(ground.engine(counting)):
        pass


def test_committed_offsets_carry_the_ids_of_their_topic_and_of_the_changelog(ground: Ground) -> None:
    ground.publish(confirm(ORDER))
    engine = ground.engine(counting)
    with running(engine):
        until(lambda: ground.committed(counting, ORDERS_COMMANDS)[0][0] == 1, engine)
    _, metadata = ground.committed(counting, ORDERS_COMMANDS)[0]
    assert len(metadata.split()) == 2


def test_an_operators_reset_is_honoured_and_decides_nothing_twice(ground: Ground) -> None:
    ground.publish(*[confirm(ORDER)] * 5)
    run_until(ground, 5)
    reset(ground, 2)
    engine = ground.engine(counting)
    with running(engine):
        until(lambda: engine.counters.repeats == 3, engine)
        ground.publish(confirm(ORDER))
        until(counted(ground, 6), engine)
    assert len(ground.messages(ORDERS_EVENTS)) == 6


def test_a_reset_forwards_leaves_out_what_lies_between(ground: Ground) -> None:
    ground.publish(*[confirm(ORDER)] * 5)
    reset(ground, 3)
    run_until(ground, 2)


def test_records_that_retention_deleted_before_they_were_read_are_told_of_and_the_rest_is_read(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    ground.publish(*[confirm(ORDER)] * 5)
    run_until(ground, 5)
    ground.publish(*[confirm(ORDER)] * 5)
    place = TopicPartition(ORDERS_COMMANDS.name(ground.environment), 0, 8)
    next(iter(ground.admin.delete_records([place]).values())).result(SECONDS)
    run_until(ground, 7)
    assert f"{place.topic}[0]: offset 5 is not there any more, it has 8 to 10" in caplog.text
