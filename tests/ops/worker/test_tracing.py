"""An order followed through services, by OpenTelemetry's own SDK."""

import sys
import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ops.settings import Settings
from ops.stack.ports import choose
from ops.worker.spans import Spans
from ops.worker.tracing import NoTelemetryError, tracer
from streams.tracing import Tracer

#: As W3C writes it: version, trace, the producer's span, sampled.
TRACE, PRODUCER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PRODUCER}-01", f"00-{TRACE}-{PRODUCER}-00"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Tracer:
    return Spans("sit", SimpleSpanProcessor(exporter))


def decided(
    spans: Tracer, service: str, traceparent: str | None, *, key: str = "order-1", version: int = 1, start_ns: int = 100
) -> str:
    return spans.decided(
        service,
        "CreateOrder",
        key=key,
        version=version,
        traceparent=traceparent,
        start_ns=start_ns,
        end_ns=start_ns + 50,
        sends=("OrderCreated",),
    )


def place(span: ReadableSpan) -> tuple[str, str, str | None]:
    """Trace, span, parent; in hex as they travel."""
    context = span.context
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}", f"{span.parent.span_id:016x}" if span.parent else None


def test_three_services_in_a_row_are_one_trace_in_which_each_is_the_childs_parent(
    spans: Tracer, exporter: InMemorySpanExporter
) -> None:
    traceparent = SAMPLED
    for service in ("checkout", "inventory", "orders"):
        traceparent = decided(spans, service, traceparent)
    traces, ids, parents = zip(*map(place, exporter.get_finished_spans()), strict=True)
    assert set(traces) == {TRACE}
    assert parents == (PRODUCER, *ids[:2])
    assert traceparent == f"00-{TRACE}-{ids[2]}-01"
    names = [span.resource.attributes["service.name"] for span in exporter.get_finished_spans()]
    assert names == ["checkout", "inventory", "orders"]


def test_a_span_says_what_was_decided_when_and_about_which_order(spans: Tracer, exporter: InMemorySpanExporter) -> None:
    decided(spans, "orders", SAMPLED, version=7)
    [span] = exporter.get_finished_spans()
    assert (span.name, span.start_time, span.end_time) == ("orders CreateOrder", 100, 150)
    assert dict(span.attributes or {}) == {
        "orderflow.key": "order-1",
        "orderflow.decision": "orders/order-1/7",
        "orderflow.sends": ("OrderCreated",),
    }
    assert span.resource.attributes["deployment.environment.name"] == "sit"


def test_a_decision_that_is_made_again_after_a_crash_is_the_same_span_with_the_same_outputs() -> None:
    seen = []
    for start in (100, 999):  # another process, another time
        exporter = InMemorySpanExporter()
        outputs = decided(Spans("sit", SimpleSpanProcessor(exporter)), "orders", SAMPLED, start_ns=start)
        seen.append((outputs, place(exporter.get_finished_spans()[0])))
    assert seen[0] == seen[1]


def test_every_decision_is_a_span_of_its_own(spans: Tracer, exporter: InMemorySpanExporter) -> None:
    decided(spans, "orders", SAMPLED)
    decided(spans, "orders", SAMPLED, version=2)
    decided(spans, "orders", SAMPLED, key="order-2")
    decided(spans, "payments", SAMPLED)
    assert len({place(span)[1] for span in exporter.get_finished_spans()}) == 4


def test_what_its_sender_did_not_sample_nobody_samples_and_the_trace_goes_on(
    spans: Tracer, exporter: InMemorySpanExporter
) -> None:
    traceparent = UNSAMPLED
    for service in ("checkout", "orders"):
        traceparent = decided(spans, service, traceparent)
    assert exporter.get_finished_spans() == ()
    assert traceparent.startswith(f"00-{TRACE}-")
    assert traceparent.endswith("-00")


@pytest.mark.parametrize("traceparent", [None, "", "nonsense", f"00-{'0' * 32}-{PRODUCER}-01"])
def test_a_strangers_message_without_a_trace_begins_one_the_same_again(
    traceparent: str | None, spans: Tracer, exporter: InMemorySpanExporter
) -> None:
    assert decided(spans, "checkout", traceparent) == decided(spans, "checkout", traceparent)
    traces, _, parents = zip(*map(place, exporter.get_finished_spans()), strict=True)
    assert len(set(traces)) == 1
    assert set(parents) == {None}


def test_how_many_of_the_traces_that_begin_here_are_followed_is_the_sdks_setting(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    spans = Spans("sit", SimpleSpanProcessor(exporter))
    assert decided(spans, "checkout", None).endswith("-00")
    decided(spans, "checkout", SAMPLED)
    assert len(exporter.get_finished_spans()) == 1


def test_nobody_follows_unless_told_where_to() -> None:
    with tracer(Settings()) as found:
        assert found is None


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    asked = tracer(Settings(otlp_endpoint="http://127.0.0.1:4318"))
    with pytest.raises(NoTelemetryError, match=r"pip install 'orderflow\[telemetry\]'"), asked:
        pass


def test_a_collector_that_is_away_does_not_hold_up_the_end() -> None:
    started = time.monotonic()
    with tracer(Settings(otlp_endpoint=f"http://127.0.0.1:{choose(1)}")) as found:
        assert found is not None
        decided(found, "orders", SAMPLED)
    assert time.monotonic() - started < 5
