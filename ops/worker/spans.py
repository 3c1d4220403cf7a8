"""Traces of an order through all services, by the trace context that its messages carry.

A decision is a span; its parent is the decision that sent the message. Ids are derived from the decision and not drawn
by chance: a decision that is made again after a crash is the same span, and its outputs are the same bytes.
Import it only where the extra `telemetry` is installed.
"""

import threading
from collections.abc import Sequence
from hashlib import sha256

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_CONTEXT = TraceContextTextMapPropagator()


class _Derived(IdGenerator):
    """The ids of the decision that this thread is about to tell of."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def decision(self, name: str) -> None:
        self._thread.digest = sha256(name.encode()).digest()

    def generate_span_id(self) -> int:
        return int.from_bytes(self._thread.digest[:8]) or 1

    def generate_trace_id(self) -> int:
        return int.from_bytes(self._thread.digest[8:24]) or 1


class Spans:
    """One provider per service: to whoever looks at traces, a service is what a resource names."""

    def __init__(self, environment: str, processor: SpanProcessor) -> None:
        self._environment = environment
        self._processor = processor
        self._ids = _Derived()
        self._tracers: dict[str, trace.Tracer] = {}

    def decided(
        self,
        service: str,
        message: str,
        *,
        key: str,
        version: int,
        traceparent: str | None,
        start_ns: int,
        end_ns: int,
        sends: Sequence[str],
    ) -> str:
        """See `streams.tracing.Tracer`."""
        tracer = self._tracers.get(service) or self._tracer(service)
        decision = f"{service}/{key}/{version}"
        self._ids.decision(decision)
        # What is no trace context begins a trace of its own; one that its sender did not sample, nobody samples.
        parent = _CONTEXT.extract(
            {"traceparent": traceparent} if traceparent else {}, trace.set_span_in_context(trace.INVALID_SPAN)
        )
        span = tracer.start_span(
            f"{service} {message}",
            parent,
            kind=trace.SpanKind.CONSUMER,
            attributes={"orderflow.key": key, "orderflow.decision": decision, "orderflow.sends": tuple(sends)},
            start_time=start_ns,
        )
        span.end(end_ns)
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, trace.set_span_in_context(span))
        return carrier["traceparent"]

    def _tracer(self, service: str) -> trace.Tracer:
        resource = Resource.create({"service.name": service, "deployment.environment.name": self._environment})
        # Its own hook at the interpreter's exit would come after ours, and wait again.
        provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return self._tracers.setdefault(service, provider.get_tracer("orderflow"))
