"""Orders followed through engines on Kafka, by OpenTelemetry's own SDK."""

from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ops.stack import Addresses
from ops.worker.spans import Spans
from schemas.message import Meta
from schemas.orders import CancellationReason, CancelOrder, OrderCancelled, OrderConfirmed
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS
from streams.decision import Decision
from streams.service import Service
from tests.streams.kafka.counting import counter
from tests.streams.kafka.engines import Ground, confirm, orders, running, until

pytestmark = pytest.mark.connected

#: As W3C writes it: version, trace, the producer's span, sampled.
TRACE, PRODUCER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def regret(state: int | None, message: OrderConfirmed, at: int) -> Decision[int]:
    return Decision(1, sends=(CancelOrder(orderId=message.orderId, reason=CancellationReason.CUSTOMER_REQUESTED),))


def cancel(state: int | None, message: CancelOrder, at: int) -> Decision[int]:
    return Decision(1, sends=(OrderCancelled(orderId=message.orderId, reason=message.reason, cancelledAt=at),))


confirming: Service[Any, Any] = counter("confirming")
regretting = Service(name="regretting", state=int, decide=regret, sends=(CancelOrder,))
cancelling = Service(name="cancelling", state=int, decide=cancel, sends=(OrderCancelled,))
SERVICES = (confirming, regretting, cancelling)


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(*SERVICES)
    return ground


def publish(ground: Ground) -> None:
    ground.publish(confirm(next(orders(0)), meta=Meta(messageId="m", traceparent=f"00-{TRACE}-{PRODUCER}-01")))


def traceparents(ground: Ground) -> dict[str, str]:
    """By type of message."""
    messages = [*ground.messages(ORDERS_COMMANDS), *ground.messages(ORDERS_EVENTS)]
    return {type(message).__name__: message.meta.traceparent for message in messages}


def test_each_decision_on_the_way_is_a_span_and_the_parent_of_the_next(ground: Ground) -> None:
    exporter = InMemorySpanExporter()
    tracer = Spans(ground.environment, SimpleSpanProcessor(exporter))
    publish(ground)
    engines = [ground.engine(service, tracer=tracer) for service in SERVICES]
    with running(*engines):
        until(lambda: len(exporter.get_finished_spans()) == len(SERVICES), *engines)
        until(lambda: "OrderCancelled" in traceparents(ground), *engines)
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == [
        "confirming ConfirmOrder",
        "regretting OrderConfirmed",
        "cancelling CancelOrder",
    ]
    ids = []
    for span in spans:
        assert span.context is not None
        assert span.start_time is not None
        assert span.end_time is not None
        assert f"{span.context.trace_id:032x}" == TRACE
        assert 0 <= span.end_time - span.start_time < 60e9
        ids.append(f"{span.context.span_id:016x}")
    assert [f"{span.parent.span_id:016x}" for span in spans if span.parent] == [PRODUCER, *ids[:2]]
    sent = ("ConfirmOrder", "OrderConfirmed", "CancelOrder", "OrderCancelled")
    assert traceparents(ground) == {
        name: f"00-{TRACE}-{span}-01" for name, span in zip(sent, (PRODUCER, *ids), strict=True)
    }


def test_where_nobody_follows_the_trace_is_carried_on(ground: Ground) -> None:
    publish(ground)
    engine = ground.engine(confirming)
    with running(engine):
        until(lambda: "OrderConfirmed" in traceparents(ground), engine)
    assert set(traceparents(ground).values()) == {f"00-{TRACE}-{PRODUCER}-01"}
