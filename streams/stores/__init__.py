"""Where the entries of a partition are kept at hand: bytes by key, rebuilt from the changelog wherever they are lost.

A store may lag behind the changelog but never lead: it is written after the changelog's acknowledgement, and what it
lost with a process it lost from the end, together with the `meta` that said how far it had come.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from schemas.errors import OrderflowError


class StoreError(OrderflowError):
    """A store can't be opened, read or written. No order is lost by that: the changelog has it all."""


class Store(Protocol):
    """Of one partition of one service. For one thread."""

    @property
    def meta(self) -> bytes | None:
        """What was written with the entries last: how far they go. None for a new store."""

    def get(self, key: bytes) -> bytes | None: ...

    def write(self, items: Iterable[tuple[bytes, bytes | None]], meta: bytes | None = None) -> None:
        """All or nothing. None as a value forgets the key, None as `meta` leaves it as it was."""

    def scan(self) -> Iterator[tuple[bytes, bytes]]:
        """Every entry, in any order. Of what is written meanwhile it may tell or not."""

    def count(self) -> int:
        """How many entries, by and large."""

    def close(self) -> None:
        """Once or more often."""

    def destroy(self) -> None:
        """Close it and leave nothing of it: the partition has moved away for good."""


class Stores(Protocol):
    """Of one process."""

    def open(self, group: str, partition: int) -> Store:
        """Raises StoreError, as every method of the store does."""
