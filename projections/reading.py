"""Records of one partition to what they say: rows, nothing, or a dead letter."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from projections.models.model import Place, ReadModel, Rows, UnfitEventError
from projections.store import Owned
from schemas.message import Message
from streams.codec import Codec, Reason, Undecodable
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched
from streams.partitioner import partition_of
from streams.replay import MARK, Header, is_copy, origin_of


@dataclass(slots=True)
class Read:
    """What a batch says."""

    rows: Rows
    #: Records that the rows came from.
    said: list[Fetched] = field(default_factory=list)
    #: Records that say nothing anybody could apply, and why.
    refused: list[tuple[Fetched, str]] = field(default_factory=list)


class Reader:
    """Of one read model. It raises RegistryError, and nothing else: that is to be tried again."""

    def __init__(self, model: ReadModel, codec: Codec, counters: Counters, partitions: int) -> None:
        self._model = model
        self._codec = codec
        self._counters = counters
        self._partitions = partitions

    def read(self, owned: Owned, records: Sequence[Fetched], known: Collection[int] = ()) -> Read:
        """`known`: offsets of records that are dead letters already."""
        read = Read(Rows(self._model, owned.generation))
        for record in records:
            if (offset := record.offset()) in known:
                continue
            message = self._message(owned, record)
            if isinstance(message, Message):
                place = Place(owned.partition, offset, record.timestamp()[1])
                try:
                    read.rows.add(self._model.changes(message, place), offset)
                except UnfitEventError as error:
                    message = Undecodable(Reason.INVALID, str(error))
                else:
                    read.said.append(record)
            if isinstance(message, Undecodable):
                read.refused.append((record, str(message)))
        return read

    def _message(self, owned: Owned, record: Fetched) -> Message | Undecodable | None:
        """None where there is nothing to apply."""
        value = record.value()
        kind = self._codec.type_of(value)
        if isinstance(kind, Undecodable):
            # On a compacted topic a tombstone says that a key is gone, which is no message to anybody.
            return None if kind.reason is Reason.NO_VALUE else kind
        if kind not in self._model.rules:
            self._counters.skipped += 1
            return None
        if headers := record.headers():
            repeats = _repeats(owned, headers)
            if isinstance(repeats, Undecodable):
                return repeats
            if repeats:
                self._counters.repeats += 1
                return None
        return self._fit(record.key() or b"", value, owned.partition)

    def _fit(self, raw_key: bytes, value: bytes | None, number: int) -> Message | Undecodable:
        """Offsets order the events of a row only if all of them have its key, and lie on that key's partition."""
        try:
            key = raw_key.decode()
        except UnicodeDecodeError:
            return Undecodable(Reason.INVALID, f"its key is not UTF-8: {raw_key!r}")
        message = self._codec.decode(value, key)
        if isinstance(message, Undecodable):
            return message
        if message.record_key != key:
            said = f"{message.contract.key} says {message.record_key!r}"
            return Undecodable(Reason.INVALID, f"its key is {key!r}, but {said}")
        if partition_of(raw_key, self._partitions) != number:
            return Undecodable(Reason.INVALID, "it lies on a partition that is not its key's")
        return message


def _repeats(owned: Owned, headers: Sequence[Header]) -> bool | Undecodable:
    """Whether it is the copy of a record of this very topic, which is or will be applied itself."""
    if not is_copy(headers):
        return False
    origin = origin_of(headers)
    if origin is None:
        return Undecodable(Reason.INVALID, f"its header {MARK} names no origin")
    return origin.topic_id == owned.topic_id
