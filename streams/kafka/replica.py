"""A partition's changelog, folded into the local store: what an owner starts from and a standby keeps ready."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec

from schemas.errors import OrderflowError
from streams.changelog import Marker, Place, decode
from streams.fold import Fold
from streams.kafka.fetched import Fetched
from streams.packing import ENCODER, decoder
from streams.state import Header, StateCodec, header
from streams.step import Entry
from streams.stores import Store

S = TypeVar("S")

#: Entries that are kept decoded, of all that the store has.
_MOST_DECODED = 50_000


class StaleStoreError(OrderflowError):
    """The local store and the changelog don't belong together."""


class Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    """Kept with the store: where in which changelog it stands. Nothing before it is owed any more."""

    #: The id of the changelog topic.
    topic_id: str
    offset: int
    epoch: int
    paid: int
    round: int
    topics: dict[str, tuple[int, str]]


_CHECKPOINT = decoder(Checkpoint)


class Replica(Generic[S]):
    """Reads the changelog from its checkpoint on; the owner goes on from there."""

    def __init__(
        self, states: StateCodec[S], store: Store, *, service: str, changelog: str, topic_id: str, partition: int
    ) -> None:
        self.partition = partition
        self._states = states
        self._store = store
        self._service = service
        self.changelog = changelog
        self._decoded: dict[str, Entry[S] | None] = {}
        #: How many records were read since it was made.
        self.restored = 0
        self.begin(topic_id)

    def begin(self, topic_id: str) -> None:
        """Know only what is in the store: what was read beyond the checkpoint is read once more."""
        self._topic_id = topic_id
        self.fold = Fold()
        #: The next changelog offset to read.
        self.offset = 0
        self._decoded.clear()
        if self._store.meta is not None:
            self._restore(_CHECKPOINT.decode(self._store.meta))

    def entry(self, key: str) -> Entry[S] | None:
        try:
            return self._decoded[key]
        except KeyError:
            pass
        raw = self._store.get(key.encode())
        return self._remember(key, None if raw is None else self._states.decode(key, raw))

    def encoded(self, key: str, entry: Entry[S]) -> bytes:
        return self._states.encode(key, entry)

    def read(self, records: Sequence[Fetched]) -> None:
        """Fold what was fetched of the changelog. Raises ChangelogError where going on would lose state."""
        items: dict[bytes, bytes | None] = {}
        fold, store, topic, partition = self.fold, self._store, self.changelog, self.partition
        for record in records:
            offset = record.offset()
            if offset < self.offset:
                continue
            self.offset = offset + 1
            raw_key = record.key() or b""
            place = Place(topic, partition, offset, raw_key)
            said = decode(place, record.value())
            if isinstance(said, Marker):
                fold.marker(said)
                continue
            key = raw_key.decode()
            if said is None:
                known = items[raw_key] if raw_key in items else store.get(raw_key)
                if known is not None:  # a stranger's: ours follows only what forgot the key
                    fold.foreign.add(key)
            elif fold.written(place, key, said.epoch, said.round, said.paid, said.owed):
                items[raw_key] = said.entry or None
                self._decoded.pop(key, None)
        self.restored += len(records)
        # Where something is owed, the next life must read it again.
        store.write(items.items(), None if fold.owes else self._checkpoint(self.offset))

    def settle(self, items: Iterable[tuple[str, Entry[S] | None, bytes]], offset: int, paid: int) -> None:
        """Keep what the owner decided, now that nothing of it is owed; `offset` is the next after its records."""
        written: list[tuple[bytes, bytes | None]] = []
        for key, entry, raw in items:
            self._remember(key, entry)
            written.append((key.encode(), raw or None))
        self.offset = max(self.offset, offset)
        self.fold.paid = paid
        self.fold.last_round = max(self.fold.last_round, paid)
        self._store.write(written, self._checkpoint(self.offset))

    def waiting(self) -> Iterator[tuple[str, Header, Entry[S] | None]]:
        """Keys with something to come, and their entries where an effect is pending."""
        for raw_key, raw in self._store.scan():
            head = header(raw)
            if head.due is not None or head.pending:  # who is parked is due
                key = raw_key.decode()
                yield key, head, self._states.decode(key, raw) if head.pending else None

    def close(self) -> None:
        self._store.close()

    def _restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.topic_id != self._topic_id:
            raise StaleStoreError(
                f"{self._service}: the local store of partition {self.partition} was filled from another "
                f"{self.changelog} (topic id {checkpoint.topic_id}, now {self._topic_id}): the topic was deleted and "
                "made again. Restore it; or go on without: orderflow state drop "
                f"{self._service} --partition {self.partition}"
            )
        self.offset = checkpoint.offset
        self.fold.epoch, self.fold.paid = checkpoint.epoch, checkpoint.paid
        self.fold.last_round, self.fold.topics = checkpoint.round, checkpoint.topics

    def _checkpoint(self, offset: int) -> bytes:
        fold = self.fold
        return ENCODER.encode(Checkpoint(self._topic_id, offset, fold.epoch, fold.paid, fold.last_round, fold.topics))

    def _remember(self, key: str, entry: Entry[S] | None) -> Entry[S] | None:
        decoded = self._decoded
        decoded.pop(key, None)
        if len(decoded) >= _MOST_DECODED:
            for oldest in list(zip(range(_MOST_DECODED // 10), decoded, strict=False)):
                del decoded[oldest[1]]
        decoded[key] = entry
        return entry
