from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from schemas.avsc import avro_schema
from schemas.catalogue import MESSAGES, RECORDS
from schemas.message import Message, Meta, Record
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
    "CartCommandRejected",
    "ProductListed",
    "PromotionOffered",
    "InventoryReleased",
    "OrderState",
    "HoldStock",
    "FreeStock",
    "TakeStock",
    "ReturnStock",
    "StockHeld",
    "StockShort",
}
#: Beside the catalogue's: what stays inside of Inventory, what carts are priced by, orders as they stand.
OUR_TOPICS = {
    "orders.<env>.state": "orderId",
    "products.<env>.state": "productId",
    "promotions.<env>.state": "code",
    "stock.<env>.commands": "productId",
    "stock.<env>.events": "reservationId",
}
#: Ends that the catalogue leaves open and the saga needs: who sends, who receives, beside those it names.
SENDERS = {"CancelOrder": {"checkout-orchestrator"}, "StartCheckout": {"orders"}}
RECEIVERS = {
    **{
        name: {"checkout-orchestrator"}
        for name in ("OrderCreated", "OrderConfirmed", "OrderCancelled", "RefundProcessed")
    },
    **{name: {"cart-api", "checkout-api"} for name in ("CheckoutCompleted", "CheckoutFailed")},
    "CheckoutRejected": {"cart-api"},
    "OrderCompleted": {"payments"},
}
#: Ours to design, and grown since the first release.
GROWN = {"CheckoutRejected": "1.1.0"}
#: Queries whose answer the catalogue knows, but not what to ask by.
ASKED_BY = {
    "GetInventoryStatus": "productId",
    "GetPaymentStatus": "orderId",
    "GetUserNotifications": "userId",
    "GetNotificationDetails": "notificationId",
    "GetSubscriptionStatus": "userId",
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
    assert contract.version == GROWN.get(name, facts.get("version", "1.0.0"))
    assert (contract.topic.name("<env>") if contract.topic else None) == facts.get("topic")
    assert set(contract.producers) == several(facts.get("from")) | SENDERS.get(name, set())
    assert set(contract.consumers) == several(facts.get("to")) | RECEIVERS.get(name, set())


@pytest.mark.parametrize("name", [name for name, facts in FACTS["messages"].items() if "fields" in facts])
def test_its_fields_are_what_the_catalogue_says(name: str) -> None:
    ours = declared(BY_NAME[name])
    if name in GAINED:
        assert ours.pop(GAINED[name]) == Shape("uuid", required=False)
    assert ours == given(FACTS["messages"][name]["fields"])


@pytest.mark.parametrize("name", ASKED_BY)
def test_a_query_that_the_catalogue_gives_no_fields_asks_by_one_id(name: str) -> None:
    assert "fields" not in FACTS["messages"][name]
    assert declared(BY_NAME[name]) == {ASKED_BY[name]: Shape("uuid", required=True)}


@pytest.mark.parametrize("name", [name for name, facts in FACTS["messages"].items() if "answer" in facts])
def test_its_answer_is_what_the_catalogue_says(name: str) -> None:
    answer = BY_NAME[name].contract.answer
    assert answer is not None
    assert declared(answer) == given(FACTS["messages"][name]["answer"])


def test_the_topics_and_their_keys_are_the_catalogues() -> None:
    assert {topic.name("<env>"): topic.key for topic in TOPICS} == {
        name: facts["key"] for name, facts in FACTS["topics"].items()
    } | OUR_TOPICS


#: Where the catalogue's key has another name among the fields, or is one of two.
KEYS = {
    **dict.fromkeys(("InventoryAdjusted", "OutOfStock"), "product_id"),
    **dict.fromkeys(("AddInventory", "UpdateInventory", "DeleteInventory"), "productId"),
    **dict.fromkeys(("InventoryReserved", "InventoryReleased"), "reservationId"),
    # One identity: the order's id is the reservation's and the payment's.
    **dict.fromkeys(("InventoryUnavailable", "PaymentInitiated", "PaymentProcessed"), "orderId"),
}


@pytest.mark.parametrize("message", RECORDS, ids=lambda each: each.__name__)
def test_a_record_is_keyed_as_its_topic_is(message: type[Message]) -> None:
    contract = message.contract
    assert contract.topic is not None
    assert contract.key == KEYS.get(message.__name__, contract.topic.key)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: each.__name__)
def test_the_envelope_is_last_and_optional_in_every_message(message: type[Message]) -> None:
    meta = avro_schema(message)["fields"][-1]
    assert (meta["name"], meta["type"][0], meta["default"]) == ("meta", "null", None)


def test_the_envelope_is_what_the_catalogue_says() -> None:
    text = {"messageId": "string!", "causationId": "string", "correlationId": "string", "traceparent": "string"}
    assert declared(Meta) == given(text)


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
