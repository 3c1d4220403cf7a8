import struct
from collections.abc import Callable
from copy import deepcopy
from io import BytesIO
from typing import Annotated, Any

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from schemas import topics
from schemas.avsc import Schema, avro_schema, fullname
from schemas.inventory import ReserveInventory
from schemas.message import Event, Message, Meta
from schemas.payments import PaymentFailed, PaymentFailureReason
from schemas.types import Array, Symbols
from streams.codec import Codec, Reason, Undecodable
from streams.errors import RegistryUnavailableError, SchemaUnregisteredError, UnpublishableError
from streams.testing.registry import MemoryRegistry

PAYMENT = "11111111-1111-4111-8111-111111111111"
ORDER = "22222222-2222-4222-8222-222222222222"


class Colour(Symbols):
    """A colour."""

    RED = "RED"
    UNRECOGNIZED = "UNRECOGNIZED"


class Painted(Event, topic=topics.ORDERS_EVENTS):
    """A message with enums in every place that one can stand in."""

    one: Annotated[Colour, Field(description="Required.")]
    maybe: Annotated[Colour | None, Field(description="Optional.")] = None
    many: Annotated[Array[Colour] | None, Field(description="Repeated.")] = None
    words: Annotated[str, Field(description="Free text.")] = ""


def declined(**changes: Any) -> PaymentFailed:
    fields: dict[str, Any] = {
        "paymentId": PAYMENT,
        "orderId": ORDER,
        "reason": PaymentFailureReason.CARD_DECLINED,
        "failedAt": 1_700_000_000_000,
        "meta": Meta(messageId="payments:1", causationId="cart:1"),
    }
    return PaymentFailed(**fields | changes)


def reserve(reservation: str | None) -> ReserveInventory:
    return ReserveInventory(reservationId=reservation, cartId=PAYMENT, items=())


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def codec(registry: MemoryRegistry) -> Codec:
    return Codec(registry, "dev")


def written(registry: MemoryRegistry, schema: Schema, message: Message, **changes: Any) -> bytes:
    """The record of a producer that holds another version of the schema."""
    body = BytesIO()
    schemaless_writer(body, parse_schema(deepcopy(schema), {}), message.model_dump() | changes)
    return struct.pack(">BI", 0, registry.register("another producer", schema)) + body.getvalue()


def reshaped(change: Callable[[dict[str, Any]], None]) -> Schema:
    schema = deepcopy(avro_schema(PaymentFailed))
    fields = {field["name"]: field for field in schema["fields"]}
    change(fields)
    return schema | {"fields": list(fields.values())}


def test_a_message_reads_back_as_it_was_written(codec: Codec) -> None:
    assert codec.decode(codec.encode(declined())) == declined()


def test_values_stay_as_they_travel(codec: Codec) -> None:
    read = codec.decode(codec.encode(declined()))
    assert isinstance(read, PaymentFailed)
    assert (type(read.paymentId), type(read.failedAt)) == (str, int)


def test_a_record_starts_with_the_magic_byte_and_the_id_of_its_schema(codec: Codec, registry: MemoryRegistry) -> None:
    schema_id = registry.id_of("payments.dev.events-orderflow.payments.PaymentFailed", avro_schema(PaymentFailed))
    assert codec.encode(declined())[:5] == struct.pack(">BI", 0, schema_id)


def test_the_type_is_known_without_reading_the_record(codec: Codec) -> None:
    framing = codec.encode(declined())[:5]
    assert codec.type_of(framing + b"whatever") is PaymentFailed


def test_after_the_first_record_the_registry_may_be_away(codec: Codec, registry: MemoryRegistry) -> None:
    value = codec.encode(declined())
    codec.decode(value)
    registry.away = True
    assert codec.decode(codec.encode(declined())) == declined()


@pytest.mark.parametrize("use", ["encode", "decode", "type_of"])
def test_a_registry_that_is_away_is_no_fault_of_the_record(codec: Codec, registry: MemoryRegistry, use: str) -> None:
    value = codec.encode(declined())
    registry.away = True
    stranger = Codec(registry, "dev")
    with pytest.raises(RegistryUnavailableError):
        getattr(stranger, use)(declined() if use == "encode" else value)


def test_where_producers_may_not_register_an_unregistered_schema_is_an_error() -> None:
    with pytest.raises(SchemaUnregisteredError, match="orderflow schemas register"):
        Codec(MemoryRegistry(registers=False), "prod").encode(declined())


# Older and newer producers


def test_a_field_that_the_writer_has_and_we_do_not_is_skipped(codec: Codec, registry: MemoryRegistry) -> None:
    schema = reshaped(lambda fields: fields.update(zeal={"name": "zeal", "type": "string"}))
    assert codec.decode(written(registry, schema, declined(), zeal="high")) == declined()


def test_an_optional_field_that_the_writer_lacks_reads_as_none(codec: Codec, registry: MemoryRegistry) -> None:
    schema = reshaped(lambda fields: fields.pop("meta"))
    assert codec.decode(written(registry, schema, declined())) == declined(meta=None)


def test_fields_are_found_by_name_in_whatever_order_they_come(codec: Codec, registry: MemoryRegistry) -> None:
    schema = reshaped(lambda fields: fields.update(paymentId=fields.pop("paymentId")))
    assert codec.decode(written(registry, schema, declined())) == declined()


def test_a_symbol_that_we_do_not_know_yet_reads_as_unrecognized(codec: Codec, registry: MemoryRegistry) -> None:
    schema = reshaped(lambda fields: fields["reason"]["type"]["symbols"].append("GATEWAY_ON_FIRE"))
    read = codec.decode(written(registry, schema, declined(), reason="GATEWAY_ON_FIRE"))
    assert read == declined(reason=PaymentFailureReason.UNRECOGNIZED)


def test_a_symbol_that_the_writer_does_not_know_yet_moves_no_other(codec: Codec, registry: MemoryRegistry) -> None:
    schema = reshaped(lambda fields: fields["reason"]["type"]["symbols"].remove("INSUFFICIENT_FUNDS"))
    expired = declined(reason=PaymentFailureReason.EXPIRED_CARD)
    assert codec.decode(written(registry, schema, expired)) == expired


def test_an_int_of_an_older_writer_reads_as_our_long(codec: Codec, registry: MemoryRegistry) -> None:
    schema = reshaped(lambda fields: fields["failedAt"].update(type="int"))
    assert codec.decode(written(registry, schema, declined(failedAt=7))) == declined(failedAt=7)


def test_two_versions_of_a_schema_read_side_by_side(codec: Codec, registry: MemoryRegistry) -> None:
    def shorter_meta(fields: dict[str, Any]) -> None:
        fields["meta"]["type"][1]["fields"].pop()

    older = written(registry, reshaped(shorter_meta), declined())
    ours = codec.encode(declined())
    assert [codec.decode(value) for value in (older, ours, older, ours)] == [declined()] * 4


# What can't be a message


def reason_of(read: Message | Undecodable) -> tuple[Reason, str]:
    assert isinstance(read, Undecodable)
    assert str(read) == f"{read.reason}: {read.detail}"
    return read.reason, read.detail


def test_a_tombstone_says_so(codec: Codec) -> None:
    assert reason_of(codec.decode(None))[0] == Reason.NO_VALUE
    assert codec.type_of(None) == codec.decode(None)


def test_a_key_field_that_the_sender_left_out_is_filled_in_from_the_records_key(codec: Codec) -> None:
    value = codec.encode(reserve(None))
    assert codec.decode(value, ORDER) == reserve(ORDER)
    assert codec.decode(value) == reserve(None)


def test_a_key_field_that_contradicts_the_records_key_is_named_with_both(codec: Codec) -> None:
    reason, detail = reason_of(codec.decode(codec.encode(reserve(ORDER)), PAYMENT))
    assert reason is Reason.INVALID
    assert detail.startswith("ReserveInventory.reservationId is ")
    assert ORDER in detail
    assert PAYMENT in detail


def test_a_key_that_is_none_for_its_message_is_named(codec: Codec) -> None:
    reason, detail = reason_of(codec.decode(codec.encode(reserve(None)), "cart-7"))
    assert reason is Reason.INVALID
    assert detail.startswith("ReserveInventory.reservationId: ")
    assert detail.endswith("not 'cart-7'")


@pytest.mark.parametrize("length", range(5))
def test_less_than_the_framing_is_truncated(codec: Codec, length: int) -> None:
    reason, detail = reason_of(codec.decode(b"\0" * length))
    assert reason == Reason.TRUNCATED
    assert f"{length} bytes" in detail


def test_json_is_told_by_its_first_byte(codec: Codec) -> None:
    assert reason_of(codec.decode(b'{"paymentId": 1}')) == (
        Reason.WRONG_MAGIC,
        "123 where Confluent's framing has 0",
    )


def test_an_id_that_the_registry_does_not_know_is_asked_for_again(codec: Codec, registry: MemoryRegistry) -> None:
    ours = MemoryRegistry()
    value = Codec(ours, "dev").encode(declined())
    assert reason_of(codec.decode(value)) == (Reason.UNKNOWN_SCHEMA, "the registry has no schema 1")
    registry.register("late", avro_schema(PaymentFailed))
    assert codec.decode(value) == declined()


def test_a_type_outside_of_the_contract_is_named(codec: Codec, registry: MemoryRegistry) -> None:
    schema_id = registry.register("strangers", {"type": "record", "name": "acme.Parcel", "fields": []})
    framing = struct.pack(">BI", 0, schema_id)
    assert reason_of(codec.decode(framing)) == (Reason.FOREIGN_SCHEMA, "schema 1 is of acme.Parcel")
    assert codec.type_of(framing) == codec.decode(framing)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "PROTOBUF"}, id="another language"),
        pytest.param("string", id="no record"),
        pytest.param(
            {"type": "record", "name": "acme.Parcel", "fields": [{"name": "a", "type": "acme.B"}]}, id="refers"
        ),
        pytest.param({"type": "record", "fields": []}, id="nameless"),
    ],
)
def test_a_schema_that_we_can_not_read_with_is_foreign(codec: Codec, registry: MemoryRegistry, schema: Any) -> None:
    value = struct.pack(">BI", 0, registry.register("strangers", schema)) + b"body"
    assert reason_of(codec.decode(value))[0] == Reason.FOREIGN_SCHEMA


NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
SELF = {"type": "record", "name": "Self", "fields": [{"name": "me", "type": "Self"}]}
HOLLOW = {"type": "record", "name": "Hollow", "fields": [{"name": "nothing", "type": "null"}]}


@pytest.mark.parametrize(
    ("extra", "danger"),
    [
        pytest.param(["null", NODE], "Node holds itself", id="recursive"),
        pytest.param({"type": "map", "values": NODE}, "Node holds itself", id="recursive in a map"),
        pytest.param({"type": "array", "items": SELF}, "Self holds itself", id="recursive without width"),
        pytest.param({"type": "array", "items": "null"}, "without any width", id="nulls without end"),
        pytest.param({"type": "array", "items": HOLLOW}, "without any width", id="hollow records without end"),
    ],
)
def test_a_schema_that_would_hurt_the_reader_is_not_read_with(
    codec: Codec, registry: MemoryRegistry, extra: Any, danger: str
) -> None:
    schema = reshaped(lambda fields: fields.update(extra={"name": "extra", "type": extra}))
    value = struct.pack(">BI", 0, registry.register("strangers", schema)) + b"\x02" * 100_000
    reason, detail = reason_of(codec.decode(value))
    assert reason == Reason.FOREIGN_SCHEMA
    assert danger in detail


def test_a_part_that_is_used_twice_is_harmless(codec: Codec, registry: MemoryRegistry) -> None:
    part = {"type": "record", "name": "Part", "fields": [{"name": "a", "type": "string"}]}
    schema = reshaped(
        lambda fields: fields.update(
            one={"name": "one", "type": part}, more={"name": "more", "type": {"type": "array", "items": "Part"}}
        )
    )
    value = written(registry, schema, declined(), one={"a": "x"}, more=[{"a": "y"}])
    assert codec.decode(value) == declined()


def test_a_writer_that_lacks_a_required_field_does_not_match(codec: Codec, registry: MemoryRegistry) -> None:
    schema = reshaped(lambda fields: fields.pop("orderId"))
    reason, detail = reason_of(codec.decode(written(registry, schema, declined())))
    assert reason == Reason.UNREADABLE
    assert "orderId" in detail


def test_a_value_that_the_contract_forbids_is_named_with_its_field(codec: Codec, registry: MemoryRegistry) -> None:
    reason, detail = reason_of(codec.decode(written(registry, avro_schema(PaymentFailed), declined(), orderId="me")))
    assert reason == Reason.INVALID
    assert detail.startswith("PaymentFailed.orderId: ")
    assert detail.endswith("not 'me'")


def test_a_long_value_is_clipped(codec: Codec, registry: MemoryRegistry) -> None:
    endless = "me" * 1_000_000
    _, detail = reason_of(codec.decode(written(registry, avro_schema(PaymentFailed), declined(), orderId=endless)))
    assert len(detail) < 200


def test_every_prefix_of_a_record_is_truncated(codec: Codec) -> None:
    value = codec.encode(declined())
    for length in range(len(value)):
        assert reason_of(codec.decode(value[:length]))[0] == Reason.TRUNCATED


def test_bytes_behind_a_record_are_noticed(codec: Codec) -> None:
    assert reason_of(codec.decode(codec.encode(declined()) + b"\0\0")) == (
        Reason.TRAILING_BYTES,
        "2 bytes after PaymentFailed",
    )


@given(value=st.binary())
def test_arbitrary_bytes_never_raise(value: bytes) -> None:
    assert isinstance(Codec(MemoryRegistry(), "dev").decode(value), Undecodable)


@given(body=st.binary(max_size=200))
def test_arbitrary_bytes_behind_a_good_framing_never_raise(body: bytes) -> None:
    codec = Codec(MemoryRegistry(), "dev")
    read = codec.decode(codec.encode(declined())[:5] + body)
    assert isinstance(read, (Undecodable, PaymentFailed))


@given(place=st.integers(min_value=0, max_value=10_000), byte=st.integers(min_value=0, max_value=255))
def test_one_wrong_byte_never_raises(place: int, byte: int) -> None:
    codec = Codec(MemoryRegistry(), "dev")
    value = bytearray(codec.encode(declined()))
    value[place % len(value)] = byte
    assert isinstance(codec.decode(bytes(value)), (Undecodable, PaymentFailed))


# What must not be published


@pytest.mark.parametrize(
    ("painted", "path"),
    [
        (Painted(one=Colour.UNRECOGNIZED), "one"),
        (Painted(one=Colour.RED, maybe=Colour.UNRECOGNIZED), "maybe"),
        (Painted(one=Colour.RED, many=(Colour.RED, Colour.UNRECOGNIZED)), "many[1]"),
    ],
)
def test_an_unrecognized_symbol_is_refused_by_name(codec: Codec, painted: Painted, path: str) -> None:
    with pytest.raises(UnpublishableError) as refusal:
        codec.encode(painted)
    assert refusal.value.path == path
    assert str(refusal.value).endswith(
        f"Painted.{path} is 'UNRECOGNIZED', which no reader can understand; publish a value of the contract"
    )


def test_the_word_unrecognized_is_fine_as_text(registry: MemoryRegistry) -> None:
    types = {fullname(Painted): Painted}
    codec = Codec(registry, "dev", types)
    painted = Painted(one=Colour.RED, maybe=Colour.RED, many=(Colour.RED,), words="UNRECOGNIZED")
    assert codec.decode(codec.encode(painted)) == painted


def test_what_was_built_past_validation_is_refused_too(codec: Codec) -> None:
    forged = PaymentFailed.model_construct(**dict(declined()) | {"failedAt": "yesterday"})
    with (
        pytest.warns(UserWarning, match="yesterday"),
        pytest.raises(UnpublishableError, match="failedAt is 'yesterday'"),
    ):
        codec.encode(forged)
