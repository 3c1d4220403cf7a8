"""Where spans go, if anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.settings import Settings
from schemas.errors import OrderflowError
from streams.tracing import Tracer

#: For one batch, with all tries. The last one is sent while the process ends, and a collector that is away must not
#: hold that up.
SEND_SECONDS = 2.0


class NoTelemetryError(OrderflowError):
    """Traces are asked for, and what sends them is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "ORDERFLOW_OTLP_ENDPOINT is set, but what sends traces is not installed: pip install 'orderflow[telemetry]'"
        )


@contextmanager
def tracer(settings: Settings) -> Iterator[Tracer | None]:
    """Send spans for as long as the context lasts, the last ones at its end; None where nobody asked for them."""
    if settings.otlp_endpoint is None:
        yield None
        return
    try:  # an extra: a worker without traces runs without it
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        from ops.worker.spans import Spans  # noqa: PLC0415
    except ImportError as error:
        raise NoTelemetryError from error
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    # Its queue is bounded: where the collector is away, spans are dropped.
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=SEND_SECONDS))
    try:
        yield Spans(settings.environment, processor)
    finally:
        processor.shutdown()  # type: ignore[no-untyped-call]  # they left it untyped
