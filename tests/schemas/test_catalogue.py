from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from schemas.catalogue import MESSAGES
from schemas.message import Meta, Record
from schemas.topics import TOPICS
from schemas.types import Array, Int, Symbols, Uuid
from tests.schemas.facts import Shape, declared, given

FACTS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "catalogue.yaml").read_text(encoding="utf-8"))
BY_NAME = {message.__name__: message for message in MESSAGES}

#: Commands that the catalogue gives no id of their own: they gain the record's key as an optional field.
GAINED = {
    "ReserveInventory": "reservationId",
    "AuthorizePayment": "paymentId",
    "CreateOrder": "orderId",
    "SubscribeUser": "subscriptionId",
    "CancelShipment": "orderId",
    "CreateReturnLabel": "orderId",
    "UpdateShipmentStatus": "orderId",
}
#: What the catalogue's acts need and it doesn't name.
OURS = {
    "CapturePayment",
    "PaymentCaptured",
    "CaptureFailed",
    "VoidPayment",
    "PaymentVoided",
    "RefundPayment",
    "ConfirmOrder",
    "OrderRejected",
    "OrderCancellationRejected",
}


def several(names: str | list[str] | None) -> set[str]:
    return {names} if isinstance(names, str) else set(names or ())


def test_every_message_of_the_catalogue_is_declared_and_nothing_else_but_what_its_acts_need() -> None:
    assert set(BY_NAME) == set(FACTS["messages"]) | OURS
    assert len(FACTS["messages"]) == 65


@pytest.mark.parametrize("name", FACTS["messages"])
def test_a_message_is_what_the_catalogue_says(name: str) -> None:
    facts, contract = FACTS["messages"][name], BY_NAME[name].contract
    assert contract.kind == facts["kind"]
    assert contract.version == facts.get("version", "1.0.0")
    assert (contract.topic.name("<env>") if contract.topic else None) == facts.get("topic")
    # The project may add ends that the catalogue leaves open, such as the orchestrator's; it drops none.
    assert several(facts.get("from")) <= set(contract.producers)
    assert several(facts.get("to")) <= set(contract.consumers)


@pytest.mark.parametrize("name", [name for name, facts in FACTS["messages"].items() if "fields" in facts])
def test_its_fields_are_what_the_catalogue_says(name: str) -> None:
    ours = declared(BY_NAME[name])
    if name in GAINED:
        assert ours.pop(GAINED[name]) == Shape("uuid", required=False)
    assert ours == given(FACTS["messages"][name]["fields"])


@pytest.mark.parametrize("name", [name for name, facts in FACTS["messages"].items() if "answer" in facts])
def test_its_answer_is_what_the_catalogue_says(name: str) -> None:
    answer = BY_NAME[name].contract.answer
    assert answer is not None
    assert declared(answer) == given(FACTS["messages"][name]["answer"])


def test_the_topics_and_their_keys_are_the_catalogues() -> None:
    assert {topic.name("<env>"): topic.key for topic in TOPICS} == {
        name: facts["key"] for name, facts in FACTS["topics"].items()
    }


@pytest.mark.parametrize("message", [each for each in MESSAGES if each.contract.topic], ids=lambda each: each.__name__)
def test_a_record_names_the_field_that_holds_its_key(message: type[Record]) -> None:
    assert BY_NAME[message.__name__].contract.key in message.model_fields


def test_the_envelope_is_last_in_every_message() -> None:
    assert set(Meta.model_fields) == {"messageId", "causationId", "correlationId", "traceparent"}


class Colour(Symbols):
    """A colour."""

    RED = "RED"
    UNRECOGNIZED = "UNRECOGNIZED"


class Part(Record):
    """A part."""

    count: Annotated[Int, Field(description="How many.")]


class Thing(Record):
    """A thing."""

    id: Annotated[Uuid, Field(description="Which.")]
    colour: Annotated[Colour | None, Field(description="Its colour.")] = None
    parts: Annotated[Array[Part], Field(description="Its parts.")]


def test_the_comparison_agrees_with_a_declaration_that_is_right() -> None:
    assert declared(Thing) == given({"id": "uuid!", "colour": "enum[RED]", "parts": "[{count: int!}]!"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "string!"},
        {"id": "uuid"},
        {"colour": "enum[RED]!"},
        {"colour": "enum[RED,BLUE]"},
        {"parts": "[{count: int}]!"},
        {"parts": "[{count: int>=1!}]!"},
        {"parts": "[{count: int!, size: int}]!"},
        {"extra": "int"},
    ],
    ids=str,
)
def test_the_comparison_sees_each_difference(wrong: dict[str, str]) -> None:
    right = {"id": "uuid!", "colour": "enum[RED]", "parts": "[{count: int!}]!"}
    assert declared(Thing) != given(right | wrong)
