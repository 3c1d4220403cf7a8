"""Where copies go: to a topic, or into a file. Both say when what they took is safe."""

import base64
import json
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from confluent_kafka import KafkaError, KafkaException, Producer

from ops.replay.errors import RefusedError, ReplayError
from schemas.message import Message
from streams.codec import Codec
from streams.kafka.fetched import Fetched
from streams.kafka.topics import LARGEST_INTERNAL
from streams.partitioner import partition_of
from streams.producer import DELIVERY_SECONDS, SETTINGS
from streams.replay import Header, Origin, mark

_POLL_SECONDS = 0.1


class Copy(NamedTuple):
    """A record to be published again."""

    record: Fetched
    origin: Origin
    #: Those of the record, without any mark.
    headers: tuple[Header, ...]


class Target(AbstractContextManager["Target"], Protocol):
    def take(self, copy: Copy) -> None: ...

    def settle(self) -> int:
        """Wait until all that was taken is safe; how large a file is then."""


class TopicTarget(Target):
    """Key, value, timestamp and headers stay; the mark is added."""

    def __init__(self, client: Mapping[str, str], topic: str, *, partitions: int, of: int) -> None:
        """`partitions`: of the topic; `of`: of the one that is copied."""
        # A record that was taken there once is taken again, however large it is.
        settings: dict[str, Any] = {**SETTINGS, "linger.ms": 5, "message.max.bytes": LARGEST_INTERNAL}
        self._producer = Producer({**client, **settings})
        self._topic = topic
        self._partitions = partitions
        self._alike = partitions == of
        self._refused: KafkaError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # After a failure: what is still on its way need not arrive, the run knows nothing of it.
        self._producer.purge()

    def take(self, copy: Copy) -> None:
        record, key = copy.record, copy.record.key()
        number = record.partition()
        if not self._alike:
            number = number % self._partitions if key is None else partition_of(key, self._partitions)
        headers: list[tuple[str, str | bytes | None]] = [*copy.headers, mark(copy.origin)]
        deadline = time.monotonic() + DELIVERY_SECONDS
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    record.value(),
                    key,
                    number,
                    self._reported,
                    timestamp=max(0, record.timestamp()[1]),
                    headers=headers,
                )
            except BufferError:  # Kafka is slower than we are
                if time.monotonic() > deadline:
                    raise ReplayError(f"{self._topic} took no record for {DELIVERY_SECONDS} s") from None
                self._producer.poll(_POLL_SECONDS)
            except KafkaException as error:
                raise ReplayError(f"{self._topic}: {error.args[0].str()}") from error
            else:
                break
        self._producer.poll(0)
        self._check()

    def settle(self) -> int:
        missing = self._producer.flush(DELIVERY_SECONDS + 5)
        self._check()
        if missing:
            raise ReplayError(f"no answer from {self._topic} for {missing} records in {DELIVERY_SECONDS} s")
        return 0

    def _reported(self, error: KafkaError | None, _record: object) -> None:
        self._refused = self._refused or error

    def _check(self) -> None:
        if self._refused is not None:
            raise ReplayError(f"{self._topic} did not take a record: {self._refused.str()}")


class FileTarget(Target):
    """A line of JSON for each record: its bytes as they are, and beside them what they say, where that can be read."""

    def __init__(self, path: Path, codec: Codec, *, size: int | None) -> None:
        """`size`: of a file that was begun, how much of it counts."""
        self._codec = codec
        try:
            self._file = path.open("xb" if size is None else "r+b")
        except FileExistsError:
            raise RefusedError(f"{path} is there already: name another file") from None
        except OSError as error:
            raise RefusedError(f"{path} can't be written: {error.strerror}") from error
        self._file.truncate(size or 0)
        self._file.seek(size or 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self, copy: Copy) -> None:
        record, origin = copy.record, copy.origin
        key, value = record.key(), record.value()
        message = self._codec.decode(value, (key or b"").decode(errors="replace"))
        said = isinstance(message, Message)
        line = {
            "topic": origin.topic,
            "topicId": origin.topic_id,
            "partition": origin.partition,
            "offset": origin.offset,
            "timestamp": record.timestamp()[1],
            "key": _text(key),
            "type": type(message).__name__ if isinstance(message, Message) else None,
            "message": message.model_dump() if isinstance(message, Message) else None,
            "problem": None if said else str(message),
            "headers": [[name, _text(each)] for name, each in copy.headers],
            "value": None if value is None else base64.b64encode(value).decode(),
        }
        self._file.write(json.dumps(line).encode() + b"\n")

    def settle(self) -> int:
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()


def _text(value: bytes | None) -> str | None:
    """What is no text is told apart by what can't stand in UTF-8."""
    return None if value is None else value.decode(errors="surrogateescape")
