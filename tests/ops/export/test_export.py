"""Each record is exported once, whatever happens meanwhile."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from ops.export.errors import ExportError
from ops.export.manifest import MANIFESTS, Shelf, taken
from ops.export.run import Exported, export
from ops.reading import Part, unseen
from schemas.catalogue import RECORDS
from schemas.examples import CHECKED_OUT_AT, example_of
from schemas.message import Message
from schemas.orders import OrderConfirmed, OrderCreated
from schemas.topics import ORDERS_EVENTS, PARTITIONS
from streams.codec import Reason, Undecodable
from streams.replay import MARK, Origin, mark
from tests.ops.export.tape import DAY, TWO_DAYS, Tape, two_days


def exported(tape: Tape, root: Path, **more: int) -> Exported:
    with taken(root) as shelf:
        return export(tape, shelf, TWO_DAYS, unseen, **more)


def lines(root: Path) -> list[dict[str, Any]]:
    """Of all files that are there, named or not."""
    return [row for path in root.glob("*/*/day=*/*.parquet") for row in parquet.ParquetFile(path).read().to_pylist()]


def places(root: Path) -> Counter[tuple[str, int, int]]:
    return Counter((row["record_topic"], row["record_partition"], row["record_offset"]) for row in lines(root))


def everything(tape: Tape) -> Counter[tuple[str, int, int]]:
    bounds = tape.bounds([Part(topic, number) for topic in TWO_DAYS for number in range(PARTITIONS)])
    return Counter((*part, offset) for part, (begin, end) in bounds.items() for offset in range(begin, end))


@pytest.mark.parametrize("a_round", [1, 7, 1_000])
def test_each_record_is_exported_once_in_rounds_of_any_size(tmp_path: Path, a_round: int) -> None:
    tape = two_days()
    done = exported(tape, tmp_path, records_a_round=a_round)
    assert places(tmp_path) == everything(tape)
    assert (done.records, done.rounds) == (24, -(-24 // a_round))


def test_a_second_run_exports_what_came_since_and_a_third_nothing(tmp_path: Path) -> None:
    tape = two_days()
    exported(tape, tmp_path)
    tape.put(ORDERS_EVENTS, "00000001", example_of(OrderCreated), CHECKED_OUT_AT)
    assert exported(tape, tmp_path).records == 1
    assert exported(tape, tmp_path) == Exported(0, 0, 0, 0, 0, 0, 0)
    assert places(tmp_path) == everything(tape)
    assert len(Shelf(tmp_path).manifests) == 2


def test_files_lie_by_topic_message_and_day(tmp_path: Path) -> None:
    exported(two_days(), tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("orders.events/OrderCreated/*/*")) == [
        "orders.events/OrderCreated/day=2026-03-02/000001.parquet",
        "orders.events/OrderCreated/day=2026-03-03/000001.parquet",
    ]


def test_a_row_is_flat_and_typed(tmp_path: Path) -> None:
    tape, order = Tape(), example_of(OrderCreated)
    tape.put(ORDERS_EVENTS, order.orderId, order, CHECKED_OUT_AT)
    with taken(tmp_path) as shelf:
        export(tape, shelf, {"orders.test.events": "orders.events"}, unseen)
    (path,) = tmp_path.glob("*/*/*/*.parquet")
    schema = parquet.read_schema(path)
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        "record_topic": "string",
        "record_partition": "int32",
        "record_offset": "int64",
        "record_key": "string",
        "record_at": "timestamp[ms, tz=UTC]",
        "order_id": "string",
        "customer_id": "string",
        "total": "int64",
        "currency": "string",
        "status": "string",
        "items": "list<element: struct<sku: string, quantity: int32, unitPrice: int64>>",
        "created_at": "timestamp[ms, tz=UTC]",
        "meta_message_id": "string",
        "meta_causation_id": "string",
        "meta_correlation_id": "string",
        "meta_traceparent": "string",
    }
    (row,) = lines(tmp_path)
    assert (row["total"], row["items"][0]["sku"]) == (order.total, order.items[0].sku)
    assert row["created_at"].timestamp() * 1_000 == order.createdAt
    assert order.meta is not None
    assert row["meta_message_id"] == order.meta.messageId


@pytest.mark.parametrize("message", RECORDS, ids=lambda each: each.__name__)
def test_every_message_of_the_contract_has_a_table(tmp_path: Path, message: type[Message]) -> None:
    topic, tape = message.contract.topic, Tape()
    assert topic is not None
    full, bare = example_of(message), message.model_validate(required(message))
    for each in (full, bare):
        tape.put(topic, "key", each, CHECKED_OUT_AT)
    with taken(tmp_path) as shelf:
        assert export(tape, shelf, {topic.name("test"): "t"}, unseen).records == 2
    rich, poor = lines(tmp_path)
    assert rich["meta_message_id"] == (full.meta and full.meta.messageId)
    assert poor["meta_message_id"] is None
    assert rich.keys() == poor.keys()


def required(message: type[Message]) -> dict[str, Any]:
    return {
        name: getattr(example_of(message), name) for name, field in message.model_fields.items() if field.is_required()
    }


def test_what_cannot_be_read_is_kept_with_its_cause(tmp_path: Path) -> None:
    tape = two_days()
    tape.put(ORDERS_EVENTS, "00000001", Undecodable(Reason.TRUNCATED, "3 bytes"), CHECKED_OUT_AT)
    assert exported(tape, tmp_path).unreadable == 1
    (row,) = (row for row in lines(tmp_path) if "cause" in row)
    assert (row["record_key"], row["cause"]) == ("00000001", "truncated: 3 bytes")


def test_what_a_replay_repeats_is_left_out(tmp_path: Path) -> None:
    tape = two_days()
    for origin in ("first", "another"):
        copy = mark(Origin("orders.test.events", origin, 0, 0, "run"))
        tape.put(ORDERS_EVENTS, "00000001", example_of(OrderConfirmed), CHECKED_OUT_AT, [copy])
    tape.put(ORDERS_EVENTS, "00000001", example_of(OrderConfirmed), CHECKED_OUT_AT, [(MARK, b"a stranger's")])
    done = exported(tape, tmp_path)
    assert (done.repeats, done.records) == (1, 26)


def test_records_that_left_their_topic_before_they_were_exported_are_counted(tmp_path: Path) -> None:
    tape = two_days()
    exported(tape, tmp_path)
    late = [tape.put(ORDERS_EVENTS, "00000001", example_of(OrderCreated), CHECKED_OUT_AT) for _ in range(5)]
    tape.forget(late[-1].part, late[-1].offset - 1)
    done = exported(tape, tmp_path)
    assert (done.lost, done.records) == (3, 2)


def test_a_topic_that_was_made_anew_goes_into_another_directory(tmp_path: Path) -> None:
    tape = two_days()
    exported(tape, tmp_path)
    tape.made = "second"
    with pytest.raises(ExportError, match="was made anew since it was exported"):
        exported(tape, tmp_path)


def test_a_topic_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"there is no topic orders\.test\.events"):
        exported(Tape(), tmp_path)


def test_two_exports_do_not_write_into_one_directory(tmp_path: Path) -> None:
    with taken(tmp_path), pytest.raises(ExportError, match="another export writes"), taken(tmp_path):
        pytest.fail("it was taken twice")


def test_days_are_those_of_the_records_in_utc(tmp_path: Path) -> None:
    tape = Tape()
    for at in (CHECKED_OUT_AT // DAY * DAY - 1, CHECKED_OUT_AT // DAY * DAY):
        tape.put(ORDERS_EVENTS, "key", example_of(OrderCreated), at)
    with taken(tmp_path) as shelf:
        export(tape, shelf, {"orders.test.events": "orders.events"}, unseen)
    assert {path.name for path in tmp_path.glob("*/*/*")} == {"day=2026-03-01", "day=2026-03-02"}


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_touch_of_the_disk_is_finished_by_the_next(tmp_path: Path) -> None:
    """With signal 9: nothing is tidied up by whoever dies."""
    subprocess.run([sys.executable, "-m", "tests.ops.export.killed", str(tmp_path)], check=True, timeout=60)
    died = [Path(root) for root in tmp_path.iterdir()]
    assert len(died) > 50
    for root in died:
        named = sum(file.rows for manifest in Shelf(root).manifests for file in manifest.files)
        done = exported(two_days(), root, records_a_round=10)
        assert places(root) == everything(two_days()), root
        assert named + done.records == 24
        assert not [*(root / MANIFESTS).glob("*.draft")]
