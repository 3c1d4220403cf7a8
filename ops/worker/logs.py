"""One log for all that runs in a worker: ours, Faust's, librdkafka's. A line a record, on stderr.

JSON for machines: `time`, `level`, `event`, `logger`, and what the line is about: `service`, `partition`, `key` (the
order id), `trace_id`. Nothing in it is ever the value of a secret, and an outage that says the same a thousand times a
second does not fill the disk.
"""

import json
import logging
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from ops.settings import Settings

#: Of what repeats itself, this many are written within a window; then their number, once the window is over.
BURST = 5
WINDOW_SECONDS = 60.0
#: Different lines that are watched for repeats; beyond that the one that was new longest ago is forgotten.
WATCHED = 1_000

MASKED = "**********"
#: A password in a URL, as in a DSN or a registry's address.
_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
_NUMBER = re.compile(r"\d+")


def configure(settings: Settings, stream: TextIO = sys.stderr) -> None:
    """Let every line of this process go through here: once, before anything runs that might log."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _trace_id,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = CollapsingHandler(stream)
    handler.setFormatter(_Masking(settings, shared, _renderers(settings.log_format, stream)))
    level = logging.getLevelNamesMapping()[settings.log_level]
    logging.captureWarnings(capture=True)
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("orderflow").setLevel(level)


def _renderers(kind: str, stream: TextIO) -> list[Processor]:
    if kind == "pretty" or (kind == "auto" and stream.isatty()):
        # Their own way with tracebacks shows local variables, and among these are passwords.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="time", exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Of W3C's trace context, as messages carry it, a reader of logs searches for the trace alone."""
    if (traceparent := event.pop("traceparent", None)) is not None:
        event["trace_id"] = traceparent.split("-")[1]
    return event


class _Masking(structlog.stdlib.ProcessorFormatter):
    """Renders a record, then takes out what nobody may read: libraries' words are beyond our control."""

    def __init__(self, settings: Settings, shared: list[Processor], renderers: list[Processor]) -> None:
        super().__init__(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
        values = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
        # As they are, and as they look inside of a JSON text.
        self._secrets = {form for value in values if value for form in (value, json.dumps(value)[1:-1])}

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, MASKED)
        return _IN_URL.sub(rf"\1:{MASKED}@", text)


@dataclass(slots=True)
class _Seen:
    since: float
    count: int


class Repeats:
    """Which lines say again what was said often enough."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By when their window began: the first is the first to be over.
        self._seen: OrderedDict[tuple[str, ...], _Seen] = OrderedDict()

    @property
    def watched(self) -> int:
        return len(self._seen)

    def passes(self, line: tuple[str, ...]) -> bool:
        seen = self._seen.get(line)
        if seen is None:
            seen = self._seen[line] = _Seen(self._clock(), 0)
        seen.count += 1
        return seen.count <= BURST

    def over(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """What was held back of lines whose window is over, or that there is no room for."""
        until = self._clock() - WINDOW_SECONDS
        while self._seen and (next(iter(self._seen.values())).since <= until or len(self._seen) >= WATCHED):
            line, seen = self._seen.popitem(last=False)
            if seen.count > BURST:
                yield line, seen.count - BURST

    def rest(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """What is still held back when the process ends."""
        for line, seen in self._seen.items():
            if seen.count > BURST:
                yield line, seen.count - BURST
        self._seen.clear()


class CollapsingHandler(logging.StreamHandler[TextIO]):
    """Collapses warnings and errors that differ in nothing but numbers."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._repeats = Repeats(clock)

    def emit(self, record: logging.LogRecord) -> None:
        self._summarize(self._repeats.over())
        if record.levelno < logging.WARNING or self._repeats.passes(_line(record)):
            super().emit(record)

    def close(self) -> None:
        self._summarize(self._repeats.rest())
        super().close()

    def _summarize(self, held_back: Iterator[tuple[tuple[str, ...], int]]) -> None:
        for (name, level, service, text), count in held_back:
            about = f" of {service}" if service else ""
            more = f"{count} more{about} like this: {text}"
            super().emit(logging.LogRecord(name, logging.getLevelNamesMapping()[level], "", 0, more, None, None))


def _line(record: logging.LogRecord) -> tuple[str, ...]:
    """What makes two lines the same to a reader: numbers (times, ports, offsets) don't."""
    if isinstance(record.msg, dict):
        service, text = str(record.msg.get("service", "")), str(record.msg.get("event", ""))
    else:
        service, text = "", record.getMessage()
    return record.name, record.levelname, service, _NUMBER.sub("#", text)
