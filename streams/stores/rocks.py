"""Stores on disk, in RocksDB: larger than memory, and still there after a restart.

The write-ahead log is off: the changelog is ours. RocksDB then loses what it had not flushed when the process dies, but
never out of order and never half a batch, so what is left is an older state together with the `meta` of that state.
"""

import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DbClosedError,
    DBCompactionStyle,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from streams.changelog import MARKER_KEY
from streams.stores import StoreError

#: Memory of a process for blocks read from disk, and for what is written and not flushed yet.
CACHE_BYTES = BUFFER_BYTES = 64 * 2**20
#: A partition fills one while another one is flushed.
_BUFFERS = 2
_BLOOM_BITS = 10
_INFO_LOG_BYTES = 2**20
_SCANNED_AT_ONCE = 10_000
_GONE = ".gone"
#: A disk that takes no write for so long will not keep up.
STALL_SECONDS = 10.0
PAUSE_SECONDS = 0.001
_STALLED = "Result incomplete: Write stall"

#: No entry can have the changelog's own key, so it is free for the meta.
_META_KEY = MARKER_KEY


class RocksStore:
    """One database."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path = path
        self._options = WriteOptions()
        # RocksDB itself would wait without end where the disk is full and its flush can't succeed.
        self._options.no_slowdown = True
        self._options.disable_wal = True  # type: ignore[method-assign, assignment]  # the stub is wrong: a property
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._db = Rdict(str(path), options)
        except Exception as cause:
            raise _error(path, cause) from cause
        self.meta = self.get(_META_KEY)

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key)
        except Exception as cause:
            raise _error(self._path, cause) from cause
        return value

    def write(self, items: Iterable[tuple[bytes, bytes | None]], meta: bytes | None = None) -> None:
        changes = dict(items)
        if MARKER_KEY in changes:
            raise ValueError(f"{MARKER_KEY!r} is the changelog's own key and can't be an entry's")
        if meta is not None:
            changes[_META_KEY] = meta
        deadline = time.monotonic() + STALL_SECONDS
        while not self._written(changes):
            if time.monotonic() > deadline:
                raise StoreError(
                    f"the store at {self._path}: the disk took no write for {STALL_SECONDS:.0f} s; see its LOG there, "
                    "give the worker a faster disk, and start it again; the changelog has all that it held"
                )
            time.sleep(PAUSE_SECONDS)
        if meta is not None:
            self.meta = meta

    def scan(self) -> Iterator[tuple[bytes, bytes]]:
        # In pieces: an iterator of RocksDB's that somebody still holds keeps the database open behind a close.
        after = b""
        while piece := self._piece(after):
            yield from ((key, value) for key, value in piece if key != _META_KEY)
            # The least key that is greater.
            after = piece[-1][0] + b"\0"

    def _written(self, changes: dict[bytes, bytes | None]) -> bool:
        """False while both buffers are full."""
        # A batch anew for each try: RocksDB takes it, whether it writes it or not.
        batch = WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            self._db.write(batch, self._options)
        except Exception as cause:
            if str(cause) == _STALLED:
                return False
            raise _error(self._path, cause) from cause
        return True

    def count(self) -> int:
        return self._db.property_int_value("rocksdb.estimate-num-keys") or 0

    def close(self) -> None:
        try:
            self._db.close()
        except DbClosedError:
            return
        except Exception as cause:
            raise _error(self._path, cause) from cause

    def destroy(self) -> None:
        self.close()
        # Renamed first: if the process dies on the way, half a directory would look like damage.
        gone = self._path.with_suffix(_GONE)
        try:
            self._path.rename(gone)
        except OSError as cause:
            raise _error(self._path, cause) from cause
        _remove(gone)

    def _piece(self, start: bytes) -> list[tuple[bytes, bytes]]:
        options = ReadOptions()
        options.fill_cache(False)  # type: ignore[call-arg]  # the stub is wrong; a scan would leave nothing else in it
        piece: list[tuple[bytes, bytes]] = []
        try:
            # Not by `items()`: that ends at damage as if it were the end.
            entries = self._db.iter(options)
            entries.seek(start)
            while entries.valid() and len(piece) < _SCANNED_AT_ONCE:
                piece.append((entries.key(), entries.value()))
                entries.next()
            entries.status()
        except Exception as cause:
            raise _error(self._path, cause) from cause
        return piece


class RocksStores:
    """One directory, one cache and one budget of buffers for all partitions of the process."""

    def __init__(
        self,
        directory: Path,
        *,
        partitions: int,
        cache_bytes: int = CACHE_BYTES,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """`partitions`: of all services together, how many may be open at a time."""
        self._directory = directory
        # Not by a WriteBufferManager: partitions at rest keep what they hold, those at work would share the rest.
        self._options = _options(Cache(cache_bytes), buffer_bytes // (partitions * _BUFFERS))
        for gone in directory.glob(f"*/*{_GONE}"):
            _remove(gone)

    def open(self, group: str, partition: int) -> RocksStore:
        return RocksStore(self._directory / group / str(partition), self._options)

    def kept(self, group: str) -> list[int]:
        """The partitions of which something is on disk."""
        return sorted(int(path.name) for path in (self._directory / group).glob("[0-9]*") if path.name.isdecimal())


def _options(cache: Cache, buffer_bytes: int) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(buffer_bytes)
    options.set_max_write_buffer_number(_BUFFERS)
    # Buffers are small, and merging by levels would write each entry many times over.
    options.set_compaction_style(DBCompactionStyle.universal())
    options.set_compression_type(DBCompressionType.lz4())
    options.set_block_based_table_factory(_tables(cache))
    options.set_max_log_file_size(_INFO_LOG_BYTES)
    options.set_keep_log_file_num(1)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def _tables(cache: Cache) -> BlockBasedOptions:
    tables = BlockBasedOptions()
    tables.set_block_cache(cache)
    tables.set_bloom_filter(_BLOOM_BITS, block_based=False)
    # Filters and indexes count against the cache, too, in pieces: whole ones would be read anew for every get as soon
    # as data pushed them out (measured: 150 us a get and more, against 20).
    tables.set_cache_index_and_filter_blocks(True)
    tables.set_index_type(BlockBasedIndexType.two_level_index_search())
    tables.set_partition_filters(True)
    tables.set_pin_top_level_index_and_filter(True)
    return tables


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as cause:
        raise _error(path, cause) from cause


def _error(path: Path, cause: Exception) -> StoreError:
    # RocksDB's errors come as bare exceptions: their text is all there is to tell them apart by.
    text = str(cause)
    if text.startswith("Corruption"):
        advice = "delete that directory, and the worker rebuilds it from the changelog"
    elif "/LOCK:" in text:
        advice = "somebody has it open; give every worker a directory of its own"
    elif "No space left" in text:
        advice = "make room on the disk and start the worker again"
    else:
        advice = "see that this user may write there, or delete it, and the worker rebuilds it from the changelog"
    return StoreError(f"the store at {path}: {text}; {advice}; the changelog has all that it held")
