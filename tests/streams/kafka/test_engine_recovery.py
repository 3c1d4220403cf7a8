"""What an owner starts from on Kafka, what it refuses to start from, and what a standby keeps ready."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer, TopicPartition

from ops.stack import Addresses
from schemas.orders import ConfirmOrder
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS
from streams.changelog import MARKER_KEY
from streams.kafka import plane, restorer
from streams.kafka.replica import Checkpoint
from streams.kafka.topics import group_of
from streams.service import Service
from streams.stores.rocks import RocksStores
from tests import topics
from tests.streams.kafka.counting import Count, counter
from tests.streams.kafka.engines import Ground, active, confirm, failure_of, orders, running, until

pytestmark = pytest.mark.connected

ORDER = next(orders(0))
counting: Service[Count, ConfirmOrder] = counter("counting")


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(counting)
    return ground


def run_until(ground: Ground, number: int, **site: Any) -> int:
    """Until so many were counted, each once; how many changelog records were restored for it."""
    engine = ground.engine(counting, **site)
    with running(engine):
        until(lambda: len(active(engine)) == PARTITIONS, engine)
        until(lambda: counted(ground) == Count(number, number), engine)
        until(lambda: ground.committed(counting, ORDERS_COMMANDS)[0][0] == ground.ends(ORDERS_COMMANDS)[0], engine)
    return engine.counters.restored


def counted(ground: Ground) -> Any:
    entry = ground.entries(counting).get(ORDER)
    return entry.state if entry else None


def rocks(path: Path) -> RocksStores:
    return RocksStores(path, partitions=PARTITIONS)


def test_a_store_on_disk_is_only_brought_up_to_date(ground: Ground, tmp_path: Path) -> None:
    ground.publish(*(confirm(order) for order, _ in zip(orders(0), range(200), strict=False)))
    run_until(ground, 1, stores=rocks(tmp_path))
    ground.publish(confirm(ORDER))
    # Of each partition its new claim, and the end of the last life.
    assert run_until(ground, 2, stores=rocks(tmp_path)) < 20
    assert run_until(ground, 2) > 200


def test_a_store_that_is_ahead_of_its_changelog_is_refused_and_dropped_by_the_operator(
    ground: Ground, tmp_path: Path
) -> None:
    ground.publish(confirm(ORDER))
    run_until(ground, 1, stores=rocks(tmp_path))
    engine = ground.engine(counting, stores=rocks(tmp_path))
    # As after a broker that lost the end of its log, which no healthy one can be told to do: the store is put ahead.
    store = rocks(tmp_path).open(group_of(counting.name, ground.environment), 0)
    assert store.meta is not None
    checkpoint = msgspec.msgpack.decode(store.meta, type=Checkpoint)
    store.write((), msgspec.msgpack.encode(msgspec.structs.replace(checkpoint, offset=1_000)))
    store.close()
    with running(engine):
        failure = failure_of(engine)
    assert f"{ground.changelog(counting)}[0] ends at " in failure
    assert "filled up to 1000" in failure
    assert "orderflow state drop counting --partition 0" in failure
    rocks(tmp_path).open(group_of(counting.name, ground.environment), 0).destroy()
    run_until(ground, 1, stores=rocks(tmp_path))


def test_a_store_that_was_filled_from_another_changelog_is_refused(ground: Ground, tmp_path: Path) -> None:
    ground.publish(confirm(ORDER))
    run_until(ground, 1, stores=rocks(tmp_path))
    ground.delete_topic(ground.changelog(counting))
    ground.make_topics(counting)
    engine = ground.engine(counting, stores=rocks(tmp_path))
    with running(engine):
        failure = failure_of(engine)
    assert f"filled from another {ground.changelog(counting)}" in failure
    assert "orderflow state drop counting" in failure


@pytest.mark.parametrize("key", [ORDER.encode(), MARKER_KEY])
def test_a_changelog_record_that_cannot_be_read_is_refused_with_its_place(ground: Ground, key: bytes) -> None:
    ground.put(ground.changelog(counting), b"nonsense", key, partition=0)
    ground.flush()
    engine = ground.engine(counting)
    with running(engine):
        assert failure_of(engine).startswith(f"{ground.changelog(counting)}[0]@0, key {key!r}: it can't be read")


@pytest.mark.parametrize("ending", ["commit", "abort"])
def test_a_transaction_at_the_changelogs_end_holds_up_no_recovery(ground: Ground, unique: str, ending: str) -> None:
    ground.publish(confirm(ORDER))
    run_until(ground, 1)
    stranger = Producer({**ground.client, "transactional.id": unique})
    stranger.init_transactions()
    stranger.begin_transaction()
    stranger.produce(ground.changelog(counting), None, b"somebody", 0)
    stranger.flush()
    stranger.commit_transaction() if ending == "commit" else stranger.abort_transaction()
    ground.publish(confirm(ORDER))
    run_until(ground, 2)


def test_a_changelog_whose_beginning_is_gone_is_read_from_where_it_begins(ground: Ground) -> None:
    """As compaction leaves it: offsets have gaps, and the first is not 0."""
    ground.publish(confirm(ORDER), *(confirm(order) for order, _ in zip(orders(0), range(50), strict=False)))
    run_until(ground, 2)
    topics.alter(ground.client["bootstrap.servers"], ground.changelog(counting), "cleanup.policy", "compact,delete")
    place = TopicPartition(ground.changelog(counting), 0, 1)
    next(iter(ground.admin.delete_records([place]).values())).result(45)
    ground.publish(confirm(ORDER))
    run_until(ground, 3)


def test_a_long_recovery_tells_how_far_it_is(
    ground: Ground, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    ground.publish(*(confirm(order) for order, _ in zip(orders(0), range(3_000), strict=False)))
    run_until(ground, 1)
    monkeypatch.setattr(restorer, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(plane, "STATUS_SECONDS", 0.0)
    monkeypatch.setattr(restorer, "MOST_RECORDS", 200)
    run_until(ground, 1)
    told = [record for record in caplog.records if "changelog records restored" in record.getMessage()]
    assert told
    assert any(f"{counting.name}.{ground.environment}[0]: " in each.getMessage() for each in told)


def test_a_standby_takes_over_with_hardly_anything_to_restore(ground: Ground, tmp_path: Path) -> None:
    names = [order for number in range(PARTITIONS) for order, _ in zip(orders(number), range(500), strict=False)]
    one, two = (ground.engine(counting, stores=rocks(tmp_path / name), standbys=1) for name in ("one", "two"))
    with running(two):
        with running(one):
            until(lambda: len(active(one)) == len(active(two)) == PARTITIONS // 2, one, two)
            assert not active(one) & active(two)
            # Not before: who was alone with all of them would have nothing to follow.
            ground.publish(*map(confirm, names))
            until(lambda: one.counters.decided + two.counters.decided >= len(names), one, two)
            until(lambda: committed_all(ground), one, two)
            ends = sum(ground.ends(ground.changelog(counting)).values())
            until(lambda: followed(two), one, two)
            assert {each.role for each in two.status().partitions} == {"active", "standby"}
        assert one.failure is None
        before = two.counters.restored
        until(lambda: len(active(two)) == PARTITIONS, two)
        assert two.counters.restored - before < ends / 10
        ground.publish(*map(confirm, names))
        until(lambda: committed_all(ground), two)
    assert {entry.state for entry in ground.entries(counting).values() if entry} == {Count(2, 2)}
    assert len({each.meta.messageId for each in ground.messages(ORDERS_EVENTS)}) == 2 * len(names)


def committed_all(ground: Ground) -> bool:
    ends = ground.ends(ORDERS_COMMANDS)
    return {number: at for number, (at, _) in ground.committed(counting, ORDERS_COMMANDS).items()} == ends


def followed(engine: Any) -> bool:
    standbys = [each for each in engine.status().partitions if each.role == "standby"]
    return len(standbys) == PARTITIONS // 2 and all(each.restored >= 500 for each in standbys)


def test_a_worker_more_than_there_are_partitions_stands_by_and_is_ready(ground: Ground) -> None:
    engines = [ground.engine(counting) for _ in range(PARTITIONS + 1)]
    with running(*engines):
        until(lambda: sorted(len(active(each)) for each in engines) == [0, 1, 1, 1, 1], *engines)
        [spare] = [each for each in engines if not active(each)]
        until(lambda: spare.status().assigned and spare.status().recovered, *engines)
        assert spare.status().partitions == ()
        assert spare.status().lease


def test_a_stop_under_load_finishes_what_is_in_hand(ground: Ground) -> None:
    number = 20_000
    names = [order for order, _ in zip(orders(0), range(500), strict=False)]
    ground.publish(*(confirm(names[each % len(names)]) for each in range(number)))
    engine = ground.engine(counting)
    with running(engine):
        until(lambda: engine.counters.decided > 1_000, engine)
    # What was decided is committed: the next owner repeats nothing.
    at, _ = ground.committed(counting, ORDERS_COMMANDS)[0]
    assert at == engine.counters.decided
    assert len(ground.messages(ORDERS_EVENTS)) == at


def test_an_output_that_its_topic_refuses_ends_the_engine_and_is_paid_once_the_topic_is_mended(ground: Ground) -> None:
    name = ORDERS_EVENTS.name(ground.environment)
    topics.alter(ground.client["bootstrap.servers"], name, "max.message.bytes", "100")
    ground.publish(confirm(ORDER))
    engine = ground.engine(counting)
    with running(engine):
        failure = failure_of(engine)
    assert name in failure
    assert "mend that topic (its max.message.bytes" in failure
    assert ground.committed(counting, ORDERS_COMMANDS)[0][0] < 0
    topics.alter(ground.client["bootstrap.servers"], name, "max.message.bytes", "1048588")
    run_until(ground, 1)
    assert [each.confirmationNumber for each in ground.messages(ORDERS_EVENTS)] == ["ORD-00000001"]
