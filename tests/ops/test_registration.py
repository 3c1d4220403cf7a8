from copy import deepcopy
from typing import Any

import pytest

from ops.registration import RegistrationRefusedError, register, standings
from schemas.avsc import avro_schema
from schemas.payments import AuthorizePayment, PaymentFailed
from streams.registry import FULL_TRANSITIVE
from streams.testing.registry import MemoryRegistry

MESSAGES = (AuthorizePayment, PaymentFailed)
SUBJECT = "payments.sit.events-orderflow.payments.PaymentFailed"


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


def older(*, without: str) -> dict[str, Any]:
    schema = deepcopy(avro_schema(PaymentFailed))
    return schema | {"fields": [field for field in schema["fields"] if field["name"] != without]}


def states(registry: MemoryRegistry) -> list[tuple[str, bool]]:
    return [(standing.state, standing.settled) for standing in standings(registry, "sit", MESSAGES)]


def test_in_an_empty_registry_every_message_is_missing(registry: MemoryRegistry) -> None:
    assert states(registry) == [("missing", False)] * 2


def test_registering_settles_every_message_and_guards_its_subject(registry: MemoryRegistry) -> None:
    register(registry, "sit", MESSAGES)
    assert states(registry) == [("same", True)] * 2
    assert registry.level(SUBJECT) == FULL_TRANSITIVE


def test_registering_again_finds_all_of_it_there(registry: MemoryRegistry) -> None:
    register(registry, "sit", MESSAGES)
    assert all(standing.settled for standing in register(registry, "sit", MESSAGES))


def test_an_environment_has_subjects_of_its_own(registry: MemoryRegistry) -> None:
    register(registry, "sit", MESSAGES)
    assert not any(standing.settled for standing in standings(registry, "prod", MESSAGES))


def test_a_compatible_change_is_registered_and_named_by_its_field(registry: MemoryRegistry) -> None:
    registry.register(SUBJECT, older(without="meta"))
    (before,) = register(registry, "sit", (PaymentFailed,))
    assert before.state == "differs"
    assert before.differences[0] == "meta: added (null or record orderflow.Meta, optional)"
    assert before.breaks == ()
    assert states(registry)[1] == ("same", True)


def test_a_subject_that_someone_left_open_is_guarded_before_it_changes(registry: MemoryRegistry) -> None:
    registry.register(SUBJECT, older(without="orderId"))
    with pytest.raises(RegistrationRefusedError) as refusal:
        register(registry, "sit", (PaymentFailed,))
    (line,) = refusal.value.refusals
    assert line.startswith("orderflow.payments.PaymentFailed.orderId: added as required, but the records of")
    assert registry.level(SUBJECT) == FULL_TRANSITIVE


def test_one_refusal_keeps_no_other_message_out(registry: MemoryRegistry) -> None:
    registry.register(SUBJECT, older(without="orderId"))
    with pytest.raises(RegistrationRefusedError):
        register(registry, "sit", (PaymentFailed, AuthorizePayment))
    assert states(registry) == [("same", True), ("differs", False)]


def test_a_break_with_an_older_version_points_to_the_baseline(registry: MemoryRegistry) -> None:
    registry.register(SUBJECT, older(without="orderId"))
    registry.register(SUBJECT, older(without="meta"))
    with pytest.raises(RegistrationRefusedError, match=r"breaks with an older version .* run orderflow schemas check"):
        register(registry, "sit", (PaymentFailed,))


def test_words_alone_are_no_difference(registry: MemoryRegistry) -> None:
    register(registry, "sit", MESSAGES)
    registry.register(SUBJECT, avro_schema(PaymentFailed) | {"doc": "The bank said no."})
    assert states(registry)[1] == ("same", True)
