"""`orderflow replay` on a real broker."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition

from ops.groups import GroupError
from ops.reading import Part, Reader, unseen
from ops.replay import asking
from ops.replay.asking import Targets, Wish
from ops.replay.audit import Counts
from ops.replay.errors import RefusedError, UnclearError
from ops.replay.run import Pace, Places, Replay
from ops.stack import Addresses
from ops.stack.waiting import wait_until
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS, PRODUCTS_STATE
from streams.codec import Codec
from streams.kafka.topics import group_of
from streams.partitioner import partition_of
from streams.replay import MARK, Origin, origin_of
from tests import topics
from tests.streams.kafka.counting import counter
from tests.streams.kafka.engines import SECONDS, Ground, Lying, confirm, orders, running, until
from tests.streams.pricing import CUP, listed, pricing

pytestmark = pytest.mark.connected

SERVICE = counter("replayed")
SAME_TOPIC = Targets()


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(SERVICE)
    return ground


@pytest.fixture
def places(ground: Ground) -> Iterator[Places]:
    with Reader(ground.client, ground.codec) as reader:
        yield Places(ground.client, ground.environment, reader, ground.codec)


@pytest.fixture
def topic(ground: Ground) -> str:
    return ORDERS_COMMANDS.name(ground.environment)


def replayed(places: Places, wish: Wish, targets: Targets = SAME_TOPIC) -> Counts:
    run, plan, left = asking.resolved(places, wish, targets, None)
    return Replay(places, run, plan, rate=None, left=left).go(unseen)


def keys(number: int) -> list[str]:
    """So many of each partition."""
    found = [orders(partition) for partition in range(PARTITIONS)]
    return [next(each) for _ in range(number) for each in found]


def split(records: Sequence[Lying]) -> tuple[list[Lying], list[Lying]]:
    """Those that are no copies, and those that are."""
    return [each for each in records if MARK not in each.headers], [each for each in records if MARK in each.headers]


def origin(record: Lying) -> Origin:
    found = origin_of(record.headers.items())
    assert found is not None
    return found


def test_a_copy_is_the_record_itself_with_a_mark_that_says_where_it_lay(
    ground: Ground, places: Places, topic: str
) -> None:
    for key in keys(3):
        ground.put(topic, ground.codec.encode(confirm(key)), key.encode(), headers={"trace": b"1"})
    ground.put(topic, b"\xff no avro", b"\xff", partition=2)
    ground.put(topic, None, None, partition=1)
    ground.flush()
    counts = replayed(places, Wish(topic))
    assert (counts.read, counts.copied) == (14, 14)
    originals, copies = split(ground.read(topic))
    assert [(each.partition, each.key, each.value) for each in copies] == [
        (each.partition, each.key, each.value) for each in originals
    ]
    topic_id = places.reader.topic_id(topic)
    assert [origin(each) for each in copies] == [
        Origin(topic, topic_id, each.partition, each.offset, origin(copies[0]).run) for each in originals
    ]
    assert [[*each.headers][:-1] for each in copies] == [[*each.headers] for each in originals]
    times = {(each.part, each.offset): each.at for each in places.reader.to_the_end(parts(topic))}
    assert {times[Part(topic, each.partition), each.offset] for each in copies} == set(times.values())


def test_copies_are_not_copied_again_unless_that_is_asked_for_and_then_keep_their_first_place(
    ground: Ground, places: Places, topic: str
) -> None:
    ground.publish(*map(confirm, keys(2)))
    assert replayed(places, Wish(topic)).copied == 8
    again = replayed(places, Wish(topic))
    assert (again.copied, again.copies) == (8, 8)
    assert replayed(places, Wish(topic, copies=True)).copied == 24
    _, copies = split(ground.read(topic))
    assert {(each.partition, origin(each).offset) for each in copies} == {
        (partition, offset) for partition in range(PARTITIONS) for offset in range(2)
    }


def test_only_what_is_asked_for_is_copied(ground: Ground, places: Places, topic: str) -> None:
    ordered = keys(4)
    ground.publish(*(confirm(key, worth) for worth, key in enumerate(ordered)))

    def offsets(wish: Wish) -> list[tuple[int, int]]:
        run, plan, _ = asking.resolved(places, wish._replace(topic=topic), Targets(), None)
        mine = Replay(places, run, plan, rate=None).go(unseen).copied
        found = [origin(each) for each in split(ground.read(topic))[1] if origin(each).run == run]
        assert len(found) == mine
        return [(each.partition, each.offset) for each in found]

    everywhere = range(PARTITIONS)
    assert offsets(Wish(begin=("2",), end=("3",))) == [(each, 2) for each in everywhere]
    assert offsets(Wish(begin=("1:3", "2:2"), end=("4",))) == [(1, 3), (2, 2), (2, 3)]
    assert offsets(Wish(end=("3:1",))) == [(3, 0)]
    assert offsets(Wish(keys=(ordered[0], ordered[5]))) == [(0, 0), (1, 1)]
    assert offsets(Wish(where=("inventoryReservationId=9",))) == [(1, 2)]
    assert offsets(Wish(where=("type=ConfirmOrder", "inventoryReservationId=9"), keys=(ordered[0],))) == []
    assert offsets(Wish(begin=("2000-01-01",), end=("2001-01-01",))) == []
    assert len(offsets(Wish(begin=("2000-01-01",), end=("2100-01-01",)))) == 16
    assert offsets(Wish(begin=("2100-01-01",))) == []


def test_a_dry_run_counts_and_leaves_no_trace(ground: Ground, places: Places, topic: str) -> None:
    ground.publish(*map(confirm, keys(2)))
    run, plan, _ = asking.resolved(places, Wish(topic, begin=("1",)), Targets(), None)
    assert Replay(places, run, plan, rate=None).dry(unseen).copied == 4
    assert split(ground.read(topic))[1] == []
    assert places.audit.topic not in places.reader.topics()


def test_where_partitions_are_counted_otherwise_a_copy_lies_where_its_key_belongs(
    ground: Ground, stack: Addresses, places: Places, topic: str
) -> None:
    other = f"other.{ground.environment}.events"
    topics.make(stack.kafka, other, partitions=3)
    ordered = keys(3)
    ground.publish(*map(confirm, ordered))
    assert replayed(places, Wish(topic), Targets(topic=other)).copied == 12
    found = places.reader.to_the_end([Part(other, number) for number in range(3)])
    assert {each.key: each.part.partition for each in found} == {key: partition_of(key.encode(), 3) for key in ordered}


def test_a_file_holds_bytes_and_what_they_say(ground: Ground, places: Places, topic: str, tmp_path: Path) -> None:
    (key,) = keys(1)[:1]
    ground.publish(confirm(key, 7))
    ground.put(topic, b"\xff", b"\xff", partition=0)
    ground.flush()
    file = tmp_path / "copies.jsonl"
    assert replayed(places, Wish(topic), Targets(file=str(file))).copied == 2
    told, strange = map(json.loads, file.read_text().splitlines())
    (there, _) = ground.read(topic)
    assert base64.b64decode(told["value"]) == there.value
    assert (told["key"], told["type"], told["message"]["inventoryReservationId"]) == (key, "ConfirmOrder", "7")
    assert (strange["offset"], strange["type"]) == (1, None)
    assert "truncated" in strange["problem"].lower()
    with pytest.raises(RefusedError, match="there already"):
        replayed(places, Wish(topic), Targets(file=str(file)))


def test_what_would_do_harm_is_refused(ground: Ground, stack: Addresses, places: Places, topic: str) -> None:
    changelog = ground.changelog(SERVICE)
    with pytest.raises(RefusedError, match="is a changelog"):
        replayed(places, Wish(topic), Targets(topic=changelog))
    prices = PRODUCTS_STATE.name(ground.environment)
    topics.make(stack.kafka, prices, partitions=PARTITIONS)
    topics.alter(stack.kafka, prices, "cleanup.policy", "compact")
    with pytest.raises(RefusedError, match="is compacted"):
        replayed(places, Wish(prices))
    replayed(places, Wish(topic))
    with pytest.raises(RefusedError, match="tells of replays"):
        replayed(places, Wish(topic), Targets(topic=places.audit.topic))


@pytest.mark.parametrize(
    ("wish", "targets", "problem"),
    [
        (Wish("nowhere"), Targets(), "there is no topic nowhere"),
        (Wish(), Targets(), "say which topic"),
        (Wish(begin=("9:1",)), Targets(), "has no partition 9"),
        (Wish(begin=("1", "2")), Targets(), "--from is given several times"),
        (Wish(where=("score>1",)), Targets(), "no message there has a field score"),
        (Wish(), Targets("a", "b"), "say one of"),
        (Wish(keys=("a",)), Targets(group="b"), "a group reads all there is"),
    ],
)
def test_what_makes_no_sense_is_corrected(
    places: Places, topic: str, wish: Wish, targets: Targets, problem: str
) -> None:
    if problem != "say which topic" and wish.topic is None:
        wish = wish._replace(topic=topic)
    with pytest.raises(UnclearError, match=problem):
        replayed(places, wish, targets)


# Runs that are cut short.


def orderflow(ground: Ground, *arguments: str) -> subprocess.Popen[str]:
    settings = {
        "ORDERFLOW_KAFKA_BOOTSTRAP": ground.client["bootstrap.servers"],
        # It is not asked: nothing has to be decoded.
        "ORDERFLOW_REGISTRY_URL": "http://127.0.0.1:9",
        "ORDERFLOW_ENVIRONMENT": ground.environment,
    }
    command = [str(Path(sys.executable).with_name("orderflow")), "replay", *arguments]
    return subprocess.Popen(
        command, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lines(places: Places) -> list[dict[str, Any]]:
    """Of the audit."""
    if places.audit.topic not in places.reader.topics():
        return []
    bounds = places.reader.bounds([Part(places.audit.topic, 0)])
    return [json.loads(each.value() or b"") for records in places.reader.between(bounds) for each in records]


def killed(ground: Ground, places: Places, *arguments: str) -> str:
    """Which run it was that died after a part of its copies, and after a line of the audit that says so."""
    with orderflow(ground, *arguments) as process:
        assert wait_until(lambda: any(each["state"] == "under way" for each in lines(places)), seconds=SECONDS)
        process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
    last = lines(places)[-1]
    assert 0 < last["counts"]["copied"] < 400
    return str(last["run"])


def test_a_killed_run_goes_on_without_a_gap_and_what_it_repeats_is_marked(
    ground: Ground, places: Places, topic: str
) -> None:
    ground.publish(*map(confirm, keys(100)))
    run = killed(ground, places, topic, "--rate", "80")
    with orderflow(ground, "--resume", run, "--json") as process:
        told, complaints = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, complaints
    assert json.loads(told)["copied"] == 400
    originals, copies = split(ground.read(topic))
    assert {(each.partition, each.offset) for each in originals} == {
        (each.partition, origin(each).offset) for each in copies
    }
    assert {origin(each).run for each in copies} == {run}
    audited = lines(places)
    assert [audited[0]["state"], audited[-1]["state"]] == ["started", "done"]
    assert "resumed" in {each["state"] for each in audited}
    assert audited[-1]["who"] == audited[0]["who"] != ""
    with orderflow(ground, "--resume", run) as process:
        _, complaints = process.communicate(timeout=SECONDS)
    assert (process.returncode, "came to its end" in complaints) == (2, True)


class CutError(Exception):
    """As good as a kill: what was done since the last line of the audit does not count."""


def cut_short(places: Places, topic: str, targets: Targets = SAME_TOPIC) -> str:
    """A run that ended after its first copies."""

    def cut(_done: int, _total: int) -> None:
        raise CutError

    run, plan, _ = asking.resolved(places, Wish(topic), targets, None)
    with pytest.raises(CutError):
        Replay(places, run, plan, rate=None).go(cut)
    return run


def gone_on_with(places: Places, run: str) -> Counts:
    run, plan, left = asking.resolved(places, Wish(), Targets(), run)
    return Replay(places, run, plan, rate=None, left=left).go(unseen)


def test_a_file_that_was_cut_short_holds_each_record_once_in_the_end(
    ground: Ground, places: Places, topic: str, tmp_path: Path
) -> None:
    ground.publish(*map(confirm, keys(100)))
    file = tmp_path / "copies.jsonl"
    run = cut_short(places, topic, Targets(file=str(file)))
    assert file.stat().st_size > 0
    assert gone_on_with(places, run).copied == 400
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert len({(each["partition"], each["offset"]) for each in told}) == len(told) == 400


def test_a_run_does_not_go_on_over_what_retention_took(ground: Ground, places: Places, topic: str) -> None:
    ground.publish(*map(confirm, keys(2)))
    run = cut_short(places, topic)
    for done in ground.admin.delete_records([TopicPartition(topic, 2, 1)]).values():
        done.result(SECONDS)
    with pytest.raises(UnclearError, match="records 0 to 0 were deleted since"):
        gone_on_with(places, run)


def test_a_run_does_not_go_on_with_another_topic_of_the_same_name(ground: Ground, places: Places, topic: str) -> None:
    ground.publish(*map(confirm, keys(2)))
    run = cut_short(places, topic)
    ground.delete_topic(topic)
    ground.make_topics(SERVICE)
    with pytest.raises(UnclearError, match="was deleted and made again"):
        gone_on_with(places, run)


def test_there_are_so_many_copies_a_second_and_no_more() -> None:
    pace, began = Pace(100), time.monotonic()
    for _ in range(20):
        pace.wait()
    assert time.monotonic() - began > 0.18


def test_a_run_nobody_heard_of_can_not_go_on(places: Places) -> None:
    with pytest.raises(UnclearError, match="tells of no run"):
        asking.resolved(places, Wish(), Targets(), "unheard-of")


# Groups.


def commit(ground: Ground, group: str, topic: str, offset: int) -> None:
    places = [TopicPartition(topic, number, offset) for number in range(PARTITIONS)]
    asked = ground.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
    asked[group].result(SECONDS)


def test_a_group_is_set_back_and_that_is_written_down(ground: Ground, places: Places, topic: str) -> None:
    ground.publish(*map(confirm, keys(3)))
    group = f"billing.{ground.environment}"
    commit(ground, group, topic, 3)
    run, plan, _ = asking.resolved(places, Wish(topic, begin=("1",)), Targets(group=group), None)
    dry = asking.regroup(places, run, plan, dry_run=True)
    assert lines(places) == []
    assert asking.regroup(places, run, plan, dry_run=False) == dry == dict.fromkeys(range(PARTITIONS), (3, 1))
    assert {each["state"] for each in lines(places)} == {"started", "done"}
    # As it is now: it goes back from there, and to where it is is no step.
    assert asking.regroup(places, run, plan, dry_run=True) == dict.fromkeys(range(PARTITIONS), (1, 1))


def test_a_group_at_work_is_left_alone(ground: Ground, places: Places, topic: str) -> None:
    group = f"billing.{ground.environment}"
    commit(ground, group, topic, 0)
    member = Consumer({**ground.client, "group.id": group, "auto.offset.reset": "earliest"})
    try:
        member.subscribe([topic])
        assert wait_until(lambda: member.poll(0.1) is not None or bool(member.assignment()), seconds=SECONDS)
        run, plan, _ = asking.resolved(places, Wish(topic), Targets(group=group), None)
        with pytest.raises(GroupError, match="is at work"):
            asking.regroup(places, run, plan, dry_run=False)
    finally:
        member.close()


def test_a_service_goes_back_only_as_far_as_it_remembers_what_has_ended(
    ground: Ground, places: Places, topic: str
) -> None:
    group = group_of(SERVICE.name, ground.environment)
    producer = Producer(ground.client)
    for age in (13, 11):
        at = int((time.time() - age * 3_600) * 1000)
        producer.produce(topic, b"", b"", 0, timestamp=at)
        assert producer.flush(SECONDS) == 0
    commit(ground, group, topic, 2)

    def back(begin: str) -> dict[int, tuple[int, int]]:
        run, plan, _ = asking.resolved(places, Wish(topic, begin=(begin,)), Targets(group=group), None)
        return asking.regroup(places, run, plan, dry_run=True)

    with pytest.raises(RefusedError, match="would be decided anew"):
        back("0:0")
    assert back("0:1") == {0: (2, 1)}


def test_running_services_count_copies_and_decide_nothing(ground: Ground, places: Places, topic: str) -> None:
    engine = ground.engine(SERVICE)
    ordered = keys(2)
    with running(engine):
        ground.publish(*(confirm(key, 5) for key in ordered))
        assert wait_until(lambda: engine.counters.decided == 8, seconds=SECONDS)
        assert replayed(places, Wish(topic)).copied == 8
        assert wait_until(lambda: engine.counters.replayed == 8, seconds=SECONDS)
        ground.publish(*(confirm(key, 7) for key in ordered))
        assert wait_until(lambda: engine.counters.decided == 16, seconds=SECONDS)
    assert {entry.state.total for entry in ground.entries(SERVICE).values() if entry and entry.state} == {12}


def test_reference_data_are_taken_from_copies_so_a_price_list_gets_into_another_environment(
    ground: Ground, stack: Addresses, places: Places, unique: str
) -> None:
    there = Ground(stack.kafka, f"{unique}-next")
    there.registry = ground.registry
    there.codec = Codec(ground.registry, there.environment)
    for each in (ground, there):
        each.make_topics(pricing)
    ground.publish(listed(CUP, 2))
    here, elsewhere = (PRODUCTS_STATE.name(each.environment) for each in (ground, there))
    assert replayed(places, Wish(here), Targets(topic=elsewhere)).copied == 1
    engine = there.engine(pricing)
    with running(engine):
        there.publish(confirm(keys(1)[0], CUP))
        until(lambda: [each.total for each in there.messages(ORDERS_EVENTS)] == [2], engine)


def parts(topic: str) -> list[Part]:
    return [Part(topic, number) for number in range(PARTITIONS)]
