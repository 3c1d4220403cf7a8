from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.examples import example_of
from schemas.orders import ConfirmOrder, CreateOrder
from streams.changelog import MARKER_KEY, Output
from streams.codec import Codec, Undecodable
from streams.decision import Decision
from streams.kafka.counters import Counters
from streams.kafka.wire import Codecs, Wire
from streams.own import OwnCodec
from streams.service import Service
from streams.state import StateCodec
from streams.step import Envelope
from streams.testing.registry import MemoryRegistry
from tests.streams.kafka.records import Record

TOPIC = "orders.test.commands"


def decide(state: int | None, message: ConfirmOrder | CreateOrder, at: int) -> Decision[int]:
    return Decision(1)


service = Service(name="counter", state=int, decide=decide)


def wire_of(messages: Codec) -> Wire:
    codecs = Codecs(service, "test", messages, OwnCodec(service), StateCodec(service))
    return Wire(codecs, 0, 1, {TOPIC: TOPIC}, Counters(), suspects=frozenset())


def test_a_record_under_the_key_of_our_markers_never_reaches_the_changelog() -> None:
    messages = Codec(MemoryRegistry(registers=True), "test")
    order = "00000000-0000-4000-8000-000000000001"
    value = messages.encode(ConfirmOrder(orderId=order))
    wire = wire_of(messages)
    moved: list[Output] = []
    records: list[Any] = [Record(MARKER_KEY, value), Record(order.encode(), value)]
    first, second = wire.arrivals(TOPIC, records, moved)
    assert isinstance(first.message, Undecodable)
    assert isinstance(second.message, ConfirmOrder)


def test_cloudevents_headers_say_which_service_sent_it_and_when() -> None:
    messages = Codec(MemoryRegistry(), "test")
    codecs = Codecs(service, "test", messages, OwnCodec(service), StateCodec(service), cloudevents=frozenset({TOPIC}))
    wire = Wire(codecs, 0, 1, {}, Counters(), suspects=frozenset())
    message = ConfirmOrder(orderId="00000000-0000-4000-8000-000000000001")
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    headers = dict(wire.output(message, Envelope(messageId="m-1")).headers)
    assert headers["ce_source"] == b"/orderflow/counter"
    assert before <= datetime.fromisoformat((headers["ce_time"] or b"").decode()) <= datetime.now(UTC)


def test_a_key_that_only_the_record_says_reaches_the_decider_at_once_and_after_waiting() -> None:
    order = "00000000-0000-4000-8000-000000000001"
    messages = Codec(MemoryRegistry(registers=True), "test")
    value = messages.encode(example_of(CreateOrder).model_copy(update={"orderId": None}))
    wire = wire_of(messages)
    records: list[Any] = [Record(order.encode(), value)]
    (arrival,) = wire.arrivals(TOPIC, records, [])
    revived = wire.revived(order, wire.parked(arrival))
    for message in (arrival.message, revived.message):
        assert isinstance(message, CreateOrder)
        assert message.orderId == order
