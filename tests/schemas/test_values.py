"""What the contract allows survives Avro; what it forbids can't be built, and the refusal says where and what."""

from collections.abc import Iterator
from copy import deepcopy
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.avsc import avro_schema, without
from schemas.catalogue import MESSAGES
from schemas.examples import example_of
from schemas.message import Record
from streams.codec import NOT_ON_THE_WIRE
from tests.schemas.facts import Shape, declared
from tests.streams.arbitrary import records

ANSWERS = [each.contract.answer for each in MESSAGES if each.contract.answer is not None]
EVERYTHING = [*MESSAGES, *ANSWERS]
Path = tuple[str | int, ...]


@pytest.mark.parametrize("of", EVERYTHING, ids=lambda each: each.__name__)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_valid_value_survives_avro(of: type[Record], data: st.DataObject) -> None:
    record = data.draw(records(of))
    schema = fastavro.parse_schema(without(avro_schema(of), NOT_ON_THE_WIRE), {})
    body = BytesIO()
    fastavro.schemaless_writer(body, schema, record.model_dump(), strict=True, disable_tuple_notation=True)
    body.seek(0)
    assert of.model_validate(fastavro.schemaless_reader(body, schema, None)) == record


def places(shapes: dict[str, Shape], path: Path = ()) -> Iterator[tuple[Path, Any, bool]]:
    """Every field at any depth, as (path, type, required); of an array the first item stands for all."""
    for name, shape in shapes.items():
        here, kind = (*path, name), shape.type
        yield here, kind, shape.required and shape.default is None
        while isinstance(kind, list):
            here, kind = (*here, 0), kind[0]
            if not isinstance(kind, dict):
                yield here, kind, True
        if isinstance(kind, dict):
            yield from places(kind, here)


def forbidden(kind: Any) -> list[Any]:
    """Values that a field of this type must refuse."""
    match kind:
        case tuple():
            return ["NO_SUCH_SYMBOL", 7]
        case list():
            return [7, "text", {}]
        case dict():
            return [7, "text"]
        case "uuid":
            return ["not-a-uuid", "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA", "", 7]
        case "timestamp-millis":
            return [-1, 253_402_300_800_000, "2026-03-02T09:30:00Z", 1.5, True]
        case "long":
            return [-1, 2**63, "7", 7.0]
        case "double":
            return [float("nan"), float("inf"), "0.5"]
        case "boolean":
            return ["true", 1]
    base, limit = kind.partition("int")[1] or "string", kind.removeprefix("int").removeprefix("string")
    if base == "int":
        return [2**31, -(2**31) - 1, "7", 7.5, *([int(limit.removeprefix(">=")) - 1] if limit else [])]
    return [7, *(["x" * (int(limit.removeprefix("<=")) + 1)] if "<=" in limit else ["?"] if limit else [])]


def with_value(fields: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    changed = deepcopy(fields)
    inner: Any = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


@pytest.mark.parametrize("of", EVERYTHING, ids=lambda each: each.__name__)
def test_what_the_contract_forbids_is_refused_with_its_field_and_itself(of: type[Record]) -> None:
    valid = {name: value for name, value in example_of(of).model_dump(mode="json").items() if value is not None}
    assert of.model_validate(valid) == example_of(of)
    for path, kind, required in places(declared(of)):
        for value in [*forbidden(kind), *([None] if required else [])]:
            with pytest.raises(ValidationError) as refused:
                of.model_validate(with_value(valid, path, value))
            assert f"\n{'.'.join(map(str, path))}\n" in str(refused.value)
            assert repr(value)[:20] in str(refused.value)
