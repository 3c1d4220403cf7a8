from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import make_avsc_object

from schemas.avsc import Schema, fullname, without
from schemas.catalogue import MESSAGES
from schemas.evolution import Release, breaks, breaks_between, differences, same_meaning, unreleased
from schemas.message import Message
from schemas.payments import PaymentFailed, PaymentFailureReason

NAME = fullname(PaymentFailed)
NOW = Release.of(PaymentFailed)
Change = Callable[[dict[str, Any]], object]


def reshaped(change: Change) -> Schema:
    """What PaymentFailed would have been, had this been different."""
    schema = deepcopy(NOW.schema)
    fields = {field["name"]: field for field in schema["fields"]}
    change(fields)
    return schema | {"fields": list(fields.values())}


def released(change: Change, version: str = "0.9.0") -> Release:
    return replace(NOW, version=version, schema=reshaped(change))


def lines(*releases: Release) -> list[str]:
    return [str(each) for each in breaks([PaymentFailed], {NAME: releases})]


def symbols(fields: dict[str, Any]) -> list[str]:
    found: list[str] = fields["reason"]["type"]["symbols"]
    return found


def meta_fields(fields: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = fields["meta"]["type"][1]["fields"]
    return found


def _bare(schema: Schema) -> Any:
    return make_avsc_object(without(schema, frozenset({"logicalType"})))


def _without_default(fields: dict[str, Any]) -> None:
    symbols(fields).remove("EXPIRED_CARD")
    fields["reason"]["type"].pop("default")


NOTE = {"name": "note", "type": "string"}
TAGS = {"name": "tags", "type": {"type": "array", "items": "string"}}

#: What was different in release 0.9.0, and the line that the contract of today gets for it.
BREAKS: dict[str, tuple[Change, str]] = {
    "a required field removed": (
        lambda fields: fields.update(note=NOTE),
        ".note: removed, but required in 0.9.0, whose readers need it; keep it, or give it up with a new message",
    ),
    "a required field added": (
        lambda fields: fields.pop("orderId"),
        ".orderId: added as required, but the records of 0.9.0 lack it; make it optional (None by default)",
    ),
    "a field made required": (
        lambda fields: fields["orderId"].update(type=["null", fields["orderId"]["type"]], default=None),
        ".orderId: was optional in 0.9.0, whose records may lack it; keep it optional",
    ),
    "a field made optional": (
        lambda fields: fields.update(meta={"name": "meta", "type": fields["meta"]["type"][1]}),
        ".meta: became optional, but readers of 0.9.0 require it; keep it required",
    ),
    "a type changed": (
        lambda fields: fields["failedAt"].update(type="string"),
        ".failedAt: was string in 0.9.0 and is long (timestamp-millis) now; keep the type, or add a field beside it",
    ),
    "an int widened, which old readers can't follow": (
        lambda fields: fields["failedAt"].update(type={"type": "int", "logicalType": "timestamp-millis"}),
        (
            ".failedAt: was int (timestamp-millis) in 0.9.0 and is long (timestamp-millis) now;"
            " keep the type, or add a field beside it"
        ),
    ),
    "a logical type changed": (
        lambda fields: fields["orderId"].update(type="string"),
        ".orderId: was string in 0.9.0 and is string (uuid) now; keep the type, or add a field beside it",
    ),
    "an array that was none": (
        lambda fields: fields["orderId"].update(type=TAGS["type"]),
        ".orderId: was array of string in 0.9.0 and is string (uuid) now; keep the type, or add a field beside it",
    ),
    "a symbol removed": (
        lambda fields: symbols(fields).append("STOLEN_CARD"),
        (
            ".reason: orderflow.payments.PaymentFailureReason lost STOLEN_CARD, which records of 0.9.0 hold;"
            " keep every symbol; stop publishing it instead"
        ),
    ),
    "a symbol added to an enum without a default": (
        _without_default,
        (
            ".reason: orderflow.payments.PaymentFailureReason gained EXPIRED_CARD, but in 0.9.0 it has no default"
            " to read them as; keep the symbols, or add a field beside it"
        ),
    ),
    "an enum renamed": (
        lambda fields: fields["reason"]["type"].update(name="Why"),
        (
            ".reason: was enum orderflow.payments.Why in 0.9.0 and is enum orderflow.payments.PaymentFailureReason now;"
            " keep the type, or add a field beside it"
        ),
    ),
    "a required field inside of a part added": (
        lambda fields: meta_fields(fields).pop(0),
        ".meta.messageId: added as required, but the records of 0.9.0 lack it; make it optional (None by default)",
    ),
}

COMPATIBLE: dict[str, Change] = {
    "nothing": lambda fields: fields,
    "an optional field added": lambda fields: fields.pop("meta"),
    "an optional field removed": lambda fields: fields.update(
        note={**NOTE, "type": ["null", "string"], "default": None}
    ),
    "an optional field added inside of a part": lambda fields: meta_fields(fields).pop(),
    "a symbol added": lambda fields: symbols(fields).remove("EXPIRED_CARD"),
    "fields in another order": lambda fields: fields.update(paymentId=fields.pop("paymentId")),
}


@pytest.mark.parametrize(("change", "line"), BREAKS.values(), ids=BREAKS)
def test_a_break_is_one_line_with_message_field_reason_and_remedy(change: Change, line: str) -> None:
    assert lines(released(change)) == [NAME + line]


@pytest.mark.parametrize("change", COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_compatible_change_passes(change: Change) -> None:
    assert lines(released(change)) == []


@pytest.mark.parametrize("change", [*COMPATIBLE.values(), *(change for change, _ in BREAKS.values())])
def test_what_apache_avro_calls_incompatible_is_a_break(change: Change) -> None:
    then = reshaped(change)
    for reader, writer in ((NOW.schema, then), (then, NOW.schema)):
        checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # avro leaves it untyped
        verdict = checker.get_compatibility(_bare(reader), _bare(writer))
        if verdict.compatibility is SchemaCompatibilityType.incompatible:
            assert breaks_between(then, NOW.schema)


def test_a_rule_that_only_apache_avro_knows_is_a_break_too() -> None:
    def sealed(size: int) -> Schema:
        fixed = {"type": "fixed", "name": "Seal", "size": size}
        return {
            "type": "record",
            "name": "a.Letter",
            "fields": [{"name": "seal", "type": {"type": "map", "values": fixed}}],
        }

    found, _ = breaks_between(sealed(1), sealed(2), "0.9.0")
    assert (
        str(found)
        == "a.Letter: this contract can't read what 0.9.0 writes (expected: 1, found: 2); take the change back"
    )


def test_every_release_counts_not_just_the_newest() -> None:
    without_order = released(lambda fields: fields.pop("orderId"), "0.8.0")
    assert lines(without_order, replace(NOW, version="0.9.0")) == [
        f"{NAME}.orderId: added as required, but the records of 0.8.0 lack it; make it optional (None by default)"
    ]


def test_what_breaks_with_every_release_is_said_once() -> None:
    noted: Change = lambda fields: fields.update(note=NOTE)  # noqa: E731 - one of a table of such changes
    assert len(lines(released(noted, "0.8.0"), released(noted, "0.9.0"))) == 1


def test_a_message_that_is_gone_is_a_break() -> None:
    assert [str(each) for each in breaks([], {NAME: [NOW]})] == [
        f"{NAME}: removed, but it was released as {NOW.version} and its records are still there; declare it again"
    ]


@pytest.mark.parametrize(
    ("fact", "before", "now"),
    [
        ("topic", "refunds.<env>.events", "payments.<env>.events"),
        ("key", "orderId", "paymentId"),
        ("kind", "command", "event"),
    ],
)
def test_a_message_stays_where_it_was_promised(fact: str, before: str, now: str) -> None:
    then = Release(**NOW.to_json() | {"version": "0.9.0", fact: before})
    assert lines(then) == [
        f"{NAME}: its {fact} was {before} in 0.9.0 and is {now} now; keep it, or declare a new message beside it"
    ]


def test_the_answer_to_a_query_is_promised_too() -> None:
    query = next(message for message in MESSAGES if message.contract.answer is not None)
    now = Release.of(query)
    assert now.answer is not None
    then = deepcopy(now.answer)
    gone = then["fields"].pop(0)["name"]
    (found,) = breaks([query], {fullname(query): [replace(now, version="0.0.0", answer=then)]})
    assert found.path.endswith(f".{gone}")
    assert found.problem == "added as required, but the records of 0.0.0 lack it"


@pytest.mark.parametrize("version", [NOW.version, "10.0.0"])
def test_a_changed_schema_needs_a_raised_version(version: str) -> None:
    assert lines(released(lambda fields: fields.pop("meta"), version)) == [
        f"{NAME}: changed since {version}, but its version is {NOW.version}; raise the version above {version}"
    ]


def test_a_raised_version_is_no_break_and_waits_for_its_release() -> None:
    before = {NAME: [replace(NOW, version="0.9.0")]}
    assert breaks([PaymentFailed], before) == []
    assert unreleased([PaymentFailed], before) == {NAME: NOW}


def test_a_new_message_waits_for_its_release() -> None:
    assert breaks([PaymentFailed], {}) == []
    assert unreleased([PaymentFailed], {}) == {NAME: NOW}


def test_what_is_released_waits_no_more() -> None:
    assert unreleased([PaymentFailed], {NAME: [NOW]}) == {}


def test_words_are_for_people() -> None:
    worded = deepcopy(NOW.schema) | {"doc": "Another word for it.", "aliases": ["a.B"]}
    assert same_meaning(worded, NOW.schema)
    assert differences(worded, NOW.schema) == []
    assert not same_meaning(reshaped(lambda fields: fields.pop("meta")), NOW.schema)


def test_a_part_means_the_same_without_the_namespace_that_it_inherits() -> None:
    shortened = reshaped(lambda fields: fields["reason"]["type"].pop("namespace"))
    assert same_meaning(shortened, NOW.schema)
    assert breaks_between(shortened, NOW.schema) == []


def test_a_difference_is_named_by_its_field_harmless_or_not() -> None:
    def older(fields: dict[str, Any]) -> None:
        symbols(fields).remove("EXPIRED_CARD")
        meta_fields(fields).pop()
        fields["failedAt"].update(type="long")
        fields.update(note=NOTE)

    known = " ".join(PaymentFailureReason)
    assert differences(reshaped(older), NOW.schema) == [
        "note: removed",
        "meta.traceparent: added (null or string, optional)",
        f"reason symbols: was {known.replace(' EXPIRED_CARD', '')}, is {known}",
        "failedAt: was long, is long (timestamp-millis)",
    ]


@pytest.mark.parametrize("message", MESSAGES, ids=fullname)
def test_every_message_is_compatible_with_itself(message: type[Message]) -> None:
    schema = Release.of(message).schema
    assert breaks_between(schema, schema) == []
