"""The engine that a worker hosts, as it is put together from the settings."""

from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ops.settings import Settings
from ops.stack import Addresses
from ops.worker.spans import Spans
from ops.worker.surroundings import Surroundings, kafka_engine
from schemas.avsc import avro_schema
from schemas.orders import OrderConfirmed
from schemas.topics import ORDERS_EVENTS
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.kafka.engine import KafkaEngine
from streams.registry import subject_of
from tests.ops.worker.charging import charging, service
from tests.streams.kafka.engines import Ground, confirm, orders, running, until

pytestmark = pytest.mark.connected


def test_effects_are_performed_by_whoever_is_hosted_with_the_service_and_decisions_are_followed(
    stack: Addresses, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    with closing(ConfluentRegistry({"url": stack.registry}, registers=True)) as registry:
        # A worker's own is closed by its end.
        monkeypatch.setattr("ops.worker.surroundings.ConfluentRegistry", lambda _: registry)
        ground = Ground(stack.kafka, unique)
        ground.codec = Codec(registry, unique)
        ground.make_topics(service)
        order = next(orders(0))
        ground.publish(confirm(order))
        registry.register(subject_of(OrderConfirmed, unique), avro_schema(OrderConfirmed))
        surroundings = Surroundings(
            Settings(environment=unique, data_dir=tmp_path),
            {"bootstrap.servers": stack.kafka},
            {"url": stack.registry},
            Spans(unique, SimpleSpanProcessor(exporter)),
        )
        engine = kafka_engine(charging, surroundings)
        assert isinstance(engine, KafkaEngine)
        with running(engine):
            until(lambda: ground.ends(ORDERS_EVENTS)[0] == 1, engine)
        [confirmed] = ground.messages(ORDERS_EVENTS)
    assert confirmed.paymentAuthorizationId == f"charged {order}"
    assert [span.name for span in exporter.get_finished_spans()] == ["charging ConfirmOrder", "charging Performed"]
