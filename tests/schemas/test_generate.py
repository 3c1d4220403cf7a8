"""The generated files: fresh, whole, and readable by those who don't know us."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml

from schemas.avsc import avro_schema, namespace, without
from schemas.catalogue import MESSAGES, RECORDS
from schemas.examples import example_of
from schemas.generate import stale, texts
from schemas.message import Message, Record
from schemas.topics import TOPICS
from streams.codec import NOT_ON_THE_WIRE

ROOT = Path(__file__).parents[2]
ASYNCAPI: dict[str, Any] = yaml.safe_load((ROOT / "schemas/asyncapi.yaml").read_text(encoding="utf-8"))
ANSWERS = [each.contract.answer for each in MESSAGES if each.contract.answer is not None]


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    match node:
        case dict():
            yield node
            for each in node.values():
                yield from walk(each)
        case list():
            for each in node:
                yield from walk(each)


def target(reference: str) -> Any:
    if reference.startswith("./"):
        return (ROOT / "schemas" / reference).read_text(encoding="utf-8")
    found: Any = ASYNCAPI
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_the_committed_files_are_what_the_declarations_give() -> None:
    assert stale(ROOT, ASYNCAPI["info"]["version"]) == {}, "run: orderflow schemas generate"


def test_a_stale_a_missing_and_a_surplus_file_are_each_found(tmp_path: Path) -> None:
    for path, text in texts("1").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    edited, gone, extra = (Path("schemas/avro/orders") / f"{name}.avsc" for name in ("GetOrder", "PlaceOrder", "Extra"))
    (tmp_path / edited).write_text("{}")
    (tmp_path / gone).unlink()
    (tmp_path / extra).write_text("{}")
    assert stale(tmp_path, "1") == {edited: "stale", gone: "missing", extra: "surplus"}


@pytest.mark.parametrize("record", [*MESSAGES, *ANSWERS], ids=lambda each: each.__name__)
def test_every_part_of_a_schema_has_a_doc_and_a_context(record: type[Record]) -> None:
    schema = avro_schema(record)
    for node in walk(schema):
        if node.get("type") in ("record", "enum") or "default" in node or ("name" in node and "type" in node):
            assert node["doc"].strip(), node
    assert schema["namespace"] == namespace(record) != "orderflow"
    fastavro.parse_schema(schema, {})


def written(fields: dict[str, Any], by: type[Record]) -> bytes:
    body = BytesIO()
    schema = fastavro.parse_schema(without(avro_schema(by), NOT_ON_THE_WIRE), {})
    fastavro.schemaless_writer(body, schema, fields, strict=True, disable_tuple_notation=True)
    return body.getvalue()


@pytest.mark.parametrize("record", [*MESSAGES, *ANSWERS], ids=lambda each: each.__name__)
def test_every_example_can_be_written_by_its_avro_schema(record: type[Record]) -> None:
    assert written(example_of(record).model_dump(), record)


def test_an_example_can_not_be_written_by_the_schema_of_another_message() -> None:
    with pytest.raises(ValueError, match="more fields than the schema"):
        written(example_of(MESSAGES[-1]).model_dump(), MESSAGES[0])


def test_the_examples_of_a_cart_add_up() -> None:
    cart: Any = example_of(next(each for each in MESSAGES if each.__name__ == "CartCheckedOut"))
    assert cart.subtotal == sum(item.quantity * item.unitPrice for item in cart.items)
    assert cart.total == cart.subtotal - cart.discount


def test_asyncapi_names_every_topic_with_its_key_and_partitions() -> None:
    channels = {each["address"]: each for each in ASYNCAPI["channels"].values()}
    assert set(channels) == {topic.name("{env}") for topic in TOPICS}
    for topic in TOPICS:
        channel = channels[topic.name("{env}")]
        assert topic.key in channel["description"]
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions


def test_asyncapi_references_only_what_exists() -> None:
    references = [node["$ref"] for node in walk(ASYNCAPI) if "$ref" in node]
    assert len(references) > len(RECORDS)
    for reference in references:
        assert target(reference), reference


@pytest.mark.parametrize("message", RECORDS, ids=lambda each: each.__name__)
def test_asyncapi_says_who_sends_and_who_receives_a_message(message: type[Message]) -> None:
    ends: dict[str, set[str]] = {"send": set(), "receive": set()}
    for operation in ASYNCAPI["operations"].values():
        if any(each["$ref"].endswith(f"/{message.__name__}") for each in operation["messages"]):
            ends[operation["action"]].add(operation["tags"][0]["name"])
    assert ends == {"send": set(message.contract.producers), "receive": set(message.contract.consumers)}
    assert ASYNCAPI["components"]["messages"][message.__name__]["examples"]
