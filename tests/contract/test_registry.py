"""One suite for every registry: the one in memory keeps the contract of the real one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from copy import deepcopy
from typing import Any

import pytest

from schemas.avsc import Schema, avro_schema
from schemas.evolution import same_meaning
from schemas.payments import PaymentFailed
from streams.confluent import ConfluentRegistry
from streams.errors import RegistryUnavailableError, SchemaRejectedError, SchemaUnregisteredError
from streams.registry import FULL_TRANSITIVE, ManagedRegistry
from tests.contract.conftest import Open

SCHEMA = avro_schema(PaymentFailed)
NOBODYS_ID = 2_000_000_000


def reshaped(change: Callable[[dict[str, Any]], object]) -> Schema:
    schema = deepcopy(SCHEMA)
    fields = {field["name"]: field for field in schema["fields"]}
    change(fields)
    return schema | {"fields": list(fields.values())}


def optional(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda fields: fields.update({name: {"name": name, "type": ["null", "string"], "default": None}})


def grown(*symbols: str) -> Schema:
    """The enum with more symbols, before its UNRECOGNIZED."""
    return reshaped(lambda fields: fields["reason"]["type"]["symbols"].__setitem__(slice(-1, -1), symbols))


def test_an_id_that_nobody_gave_has_no_schema(registry: ManagedRegistry) -> None:
    assert registry.schema_of(NOBODYS_ID) is None


def test_a_schema_comes_back_by_the_id_it_got(registry: ManagedRegistry, subject: str) -> None:
    found = registry.schema_of(registry.register(subject, SCHEMA))
    assert found is not None
    assert same_meaning(found, SCHEMA)


def test_registering_again_gives_the_same_id(registry: ManagedRegistry, subject: str) -> None:
    assert registry.register(subject, SCHEMA) == registry.register(subject, SCHEMA)


def test_a_producer_finds_the_id_of_what_is_registered(registry: ManagedRegistry, subject: str) -> None:
    schema_id = registry.register(subject, SCHEMA)
    assert registry.id_of(subject, SCHEMA) == schema_id


def test_a_producer_that_may_not_register_is_told_so(registry: ManagedRegistry, subject: str) -> None:
    with pytest.raises(SchemaUnregisteredError, match=subject):
        registry.id_of(subject, SCHEMA)
    assert registry.latest(subject) is None


def test_a_producer_that_may_register_does(opened: Open, subject: str) -> None:
    registry = opened(True)
    schema_id = registry.id_of(subject, SCHEMA)
    assert registry.schema_of(schema_id) is not None
    assert registry.id_of(subject, SCHEMA) == schema_id


def test_words_alone_make_no_other_schema(registry: ManagedRegistry, subject: str) -> None:
    registry.register(subject, SCHEMA)
    reworded = SCHEMA | {"doc": "The bank said no."}
    registry.register(subject, reworded)
    found = registry.schema_of(registry.id_of(subject, reworded))
    assert found is not None
    assert same_meaning(found, SCHEMA)


def test_the_newest_version_is_the_latest(registry: ManagedRegistry, subject: str) -> None:
    assert registry.latest(subject) is None
    for version in (SCHEMA, newer := reshaped(optional("note"))):
        registry.register(subject, version)
    latest = registry.latest(subject)
    assert latest is not None
    assert same_meaning(latest, newer)


def test_a_subject_is_guarded_once_it_is_asked_for(registry: ManagedRegistry, subject: str) -> None:
    registry.register(subject, SCHEMA)
    registry.guard(subject)
    registry.guard(subject)
    assert registry.level(subject) == FULL_TRANSITIVE


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda fields: fields.pop("orderId"), id="required field removed"),
        pytest.param(lambda fields: fields.update(a={"name": "a", "type": "string"}), id="required field added"),
        pytest.param(lambda fields: fields["failedAt"].update(type="string"), id="type changed"),
    ],
)
def test_a_guarded_subject_refuses_what_breaks(
    registry: ManagedRegistry, subject: str, change: Callable[[dict[str, Any]], object]
) -> None:
    registry.register(subject, SCHEMA)
    registry.guard(subject)
    with pytest.raises(SchemaRejectedError, match=subject):
        registry.register(subject, reshaped(change))


def test_a_guarded_subject_refuses_what_breaks_with_an_older_version(registry: ManagedRegistry, subject: str) -> None:
    for version in (reshaped(optional("note")), SCHEMA):
        registry.register(subject, version)
    registry.guard(subject)
    with pytest.raises(SchemaRejectedError):
        registry.register(
            subject,
            reshaped(lambda fields: fields.update(note={"name": "note", "type": ["null", "long"], "default": None})),
        )


def test_a_guarded_subject_takes_optional_fields_and_gives_them_up(registry: ManagedRegistry, subject: str) -> None:
    registry.register(subject, SCHEMA)
    registry.guard(subject)
    registry.register(subject, reshaped(optional("note")))
    registry.register(subject, reshaped(lambda fields: fields.pop("meta")))


def test_an_enum_grows_under_guard_again_and_again(registry: ManagedRegistry, subject: str) -> None:
    registry.register(subject, SCHEMA)
    registry.guard(subject)
    registry.register(subject, grown("STOLEN_CARD"))
    registry.register(subject, grown("STOLEN_CARD", "GATEWAY_ON_FIRE"))
    latest = registry.latest(subject)
    assert latest is not None
    assert same_meaning(latest, grown("STOLEN_CARD", "GATEWAY_ON_FIRE"))


def test_who_settles_a_subject_at_the_same_time_as_others_succeeds_too(opened: Open, subject: str) -> None:
    def settle(registry: ManagedRegistry, subject: str) -> int:
        schema_id = registry.register(subject, SCHEMA)
        registry.guard(subject)
        return schema_id

    registries = [opened(False) for _ in range(4)]  # one a deploy
    with ThreadPoolExecutor(len(registries)) as deploys:
        for number in range(5):
            ids = list(deploys.map(settle, registries, [f"{subject}{number}"] * len(registries)))
            assert len(set(ids)) == 1
            assert registries[0].level(f"{subject}{number}") == FULL_TRANSITIVE


def test_a_registry_that_is_away_says_where_it_should_be() -> None:
    asks: list[Callable[[ManagedRegistry], object]] = [
        lambda registry: registry.schema_of(1),
        lambda registry: registry.id_of("a", SCHEMA),
        lambda registry: registry.latest("a"),
    ]
    with closing(ConfluentRegistry({"url": "http://127.0.0.1:1"}, timeout_seconds=0.5)) as registry:
        for ask in asks:
            with pytest.raises(RegistryUnavailableError, match=r"http://127\.0\.0\.1:1 .*orderflow up"):
                ask(registry)
