"""The envelope of a record: `meta` in the value, or CloudEvents 1.0 headers (Kafka binding, binary mode).

Ours travels in the value, because headers are the dearest part of a record: nine of them double the CPU of an order.
Headers are read from strangers who have no `meta`, and written only to topics whose consumers want them.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from schemas.avsc import fullname
from schemas.message import Message, Meta

Headers = Sequence[tuple[str, bytes | None]]
#: What the value is: Avro behind Confluent's framing.
CONTENT_TYPE = b"application/avro"
M = TypeVar("M", bound=Message)


def with_meta(message: M, headers: Callable[[], Headers | None], topic: str, partition: int, offset: int) -> M:
    """The message with an envelope, whoever sent it. `headers` is called only if it came without."""
    if message.meta is not None:
        return message
    # A stranger's record is told apart by where it lies, if by nothing else.
    return message.model_copy(update={"meta": _read(headers() or (), f"{topic}-{partition}-{offset}")})


def headers_of(message: Message, source: str, at: int) -> list[tuple[str, bytes]]:
    """The headers of a record: `source` is who sends it (a URI reference), `at` its timestamp in millis."""
    meta = message.meta
    if meta is None:
        raise ValueError(f"{fullname(type(message))} has no meta, so it has no id to put in its headers")
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": meta.messageId,
        "ce_source": source,
        "ce_type": fullname(type(message)),
        "ce_time": datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ce_subject": message.record_key,
        "ce_causationid": meta.causationId,
        "ce_correlationid": meta.correlationId,
        "ce_traceparent": meta.traceparent,
    }
    written = [(name, value.encode()) for name, value in attributes.items() if value is not None]
    return [*written, ("content-type", CONTENT_TYPE)]


def _read(headers: Headers, place: str) -> Meta:
    read = {name: text for name, value in headers if (text := _text(value))}
    return Meta(
        messageId=read.get("ce_id", place),
        causationId=read.get("ce_causationid"),
        correlationId=read.get("ce_correlationid"),
        # The transport's own is of the last hop, the event's own is of where it began.
        traceparent=read.get("traceparent") or read.get("ce_traceparent"),
    )


def _text(value: bytes | None) -> str:
    """A header that isn't UTF-8 says nothing that we could repeat."""
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        return ""
