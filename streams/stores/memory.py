"""Stores that live and die with the process."""

from collections.abc import Iterable, Iterator

from streams.changelog import MARKER_KEY


class MemoryStore:
    """A dict of its own, so that a partition that moves away can be forgotten whole."""

    def __init__(self) -> None:
        self.meta: bytes | None = None
        self._entries: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._entries.get(key)

    def write(self, items: Iterable[tuple[bytes, bytes | None]], meta: bytes | None = None) -> None:
        # First seen through to its end: an iterator that raises in the middle must leave no half.
        changes = dict(items)
        if MARKER_KEY in changes:
            raise ValueError(f"{MARKER_KEY!r} is the changelog's own key and can't be an entry's")
        for key, value in changes.items():
            if value is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = value
        if meta is not None:
            self.meta = meta

    def scan(self) -> Iterator[tuple[bytes, bytes]]:
        yield from list(self._entries.items())

    def count(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        self._entries = {}
        self.meta = None

    def destroy(self) -> None:
        self.close()


class MemoryStores:
    """Each is new when it is opened, and rebuilt from its changelog."""

    def open(self, group: str, partition: int) -> MemoryStore:  # noqa: ARG002 - in memory they need no name
        return MemoryStore()
