"""One contract, kept in memory and on disk; and what only a disk can do to it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from shutil import which
from textwrap import dedent

import pytest

from streams.stores import Store, StoreError, Stores, rocks
from streams.stores.memory import MemoryStores
from streams.stores.rocks import RocksStore, RocksStores

STORES: dict[str, Callable[[Path], Stores]] = {
    "memory": lambda _: MemoryStores(),
    "rocks": lambda directory: RocksStores(directory, partitions=8),
}


@pytest.fixture(params=STORES)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    return STORES[request.param](tmp_path)


@pytest.fixture
def store(stores: Stores) -> Iterator[Store]:
    with closing(stores.open("orders", 0)) as store:
        yield store


def test_a_new_store_is_empty(store: Store) -> None:
    assert (store.meta, store.get(b"a"), list(store.scan()), store.count()) == (None, None, [], 0)


def test_what_was_written_is_there_until_it_is_overwritten_or_forgotten(store: Store) -> None:
    store.write([(b"a", b"1"), (b"b", b"2"), (b"", b"")], b"first")
    assert (store.get(b"a"), store.get(b"b"), store.get(b""), store.get(b"c")) == (b"1", b"2", b"", None)
    store.write([(b"a", b"3"), (b"b", None), (b"c", None)], b"second")
    assert (store.get(b"a"), store.get(b"b"), store.get(b""), store.get(b"c")) == (b"3", None, b"", None)
    assert store.meta == b"second"


def test_the_last_word_about_a_key_in_one_write_counts(store: Store) -> None:
    store.write([(b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2")])
    assert list(store.scan()) == [(b"b", b"2")]


def test_the_meta_stays_until_another_is_given(store: Store) -> None:
    store.write([], b"meta")
    store.write([(b"a", b"1")])
    assert store.meta == b"meta"


def test_a_scan_tells_every_entry_and_nothing_else(store: Store) -> None:
    entries = {b"%06d" % number: b"%d" % number for number in range(25_001)} | {b"": b"empty", b"\0\0": b"nulls"}
    store.write(entries.items(), b"meta")
    assert dict(store.scan()) == entries
    assert store.count() == pytest.approx(len(entries), rel=0.1)


def test_what_is_written_during_a_scan_does_not_disturb_it(store: Store) -> None:
    entries = {b"%06d" % number: b"before" for number in range(25_000)}
    store.write(entries.items())
    seen = set()
    for key, _ in store.scan():
        store.write([(key, None)])
        seen.add(key)
    assert seen == entries.keys()


def test_a_write_that_breaks_off_changes_nothing(store: Store) -> None:
    def items() -> Iterator[tuple[bytes, bytes | None]]:
        yield b"a", b"new"
        raise ZeroDivisionError

    store.write([(b"a", b"old")], b"old")
    with pytest.raises(ZeroDivisionError):
        store.write(items(), b"new")
    assert (store.get(b"a"), store.meta) == (b"old", b"old")


def test_the_changelogs_own_key_is_no_key(store: Store) -> None:
    with pytest.raises(ValueError, match="is the changelog's own key"):
        store.write([(b"a", b"1"), (b"\0", b"2")])
    assert (store.get(b"a"), store.meta) == (None, None)


def test_partitions_and_services_share_nothing(stores: Stores) -> None:
    each = {(service, partition): stores.open(service, partition) for service in ("a", "b") for partition in (0, 1)}
    for place, store in each.items():
        store.write([(b"key", repr(place).encode())], b"meta")
    for place, store in each.items():
        assert list(store.scan()) == [(b"key", repr(place).encode())]


def test_a_store_can_be_closed_more_than_once(stores: Stores) -> None:
    store = stores.open("orders", 0)
    store.close()
    store.close()


def test_nothing_is_left_of_a_store_that_was_destroyed(stores: Stores, tmp_path: Path) -> None:
    store = stores.open("orders", 0)
    store.write([(b"a", b"1")], b"meta")
    store.destroy()
    assert list(tmp_path.glob("*/*")) == []
    again = stores.open("orders", 0)
    assert (again.get(b"a"), again.meta) == (None, None)


def test_a_closed_store_on_disk_is_there_again(tmp_path: Path) -> None:
    for number in range(3):
        with closing(RocksStores(tmp_path, partitions=1).open("orders", 0)) as store:
            assert store.meta == (b"%d" % number if number else None)
            assert [key for key, _ in store.scan()] == [b"%d" % each for each in range(number)]
            store.write([(b"%d" % number, b"value")], b"%d" % (number + 1))


def test_a_scan_that_nobody_finished_does_not_keep_the_store_open(tmp_path: Path) -> None:
    stores = RocksStores(tmp_path, partitions=1)
    with closing(stores.open("orders", 0)) as store:
        store.write([(b"a", b"1"), (b"b", b"2")])
        unfinished = store.scan()
        assert next(unfinished) == (b"a", b"1")
    with closing(stores.open("orders", 0)) as again:
        assert again.get(b"b") == b"2"


def test_what_a_crash_left_of_a_destroyed_store_is_removed_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "orders" / "0.gone").mkdir(parents=True)
    RocksStores(tmp_path, partitions=1)
    assert list(tmp_path.glob("*/*")) == []


#: Each batch writes all keys and one of its own, so that a batch that was cut or came too early shows.
WRITER = dedent(
    """
    import os, sys
    from itertools import count
    from pathlib import Path
    from streams.stores.rocks import RocksStores

    store = RocksStores(Path(sys.argv[1]), partitions=1, buffer_bytes=2**19).open("orders", 0)
    for number in count(int(store.meta or 0) + 1):
        batch = [(b"key-%d" % each, b"%d" % number + b"," + os.urandom(500)) for each in range(50)]
        store.write([(b"batch-%d" % number, b""), *batch], b"%d" % number)
        print(number, flush=True)
    """
)


def test_after_kill_9_a_store_is_an_older_one_with_the_meta_of_that_time(tmp_path: Path) -> None:
    kept = 0
    for batches in (40, 77, 150):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(batches):
                number = int(writer.stdout.readline())
            writer.kill()
        with closing(RocksStores(tmp_path, partitions=1).open("orders", 0)) as store:
            assert store.meta is not None
            assert kept < int(store.meta)
            assert number - batches < int(store.meta)
            kept = int(store.meta)
            entries = dict(store.scan())
        assert {value.split(b",")[0] for key, value in entries.items() if key.startswith(b"key")} == {b"%d" % kept}
        assert {key for key in entries if key.startswith(b"batch")} == {
            b"batch-%d" % each for each in range(1, kept + 1)
        }


def test_a_write_waits_for_a_disk_that_is_behind(tmp_path: Path) -> None:
    with closing(RocksStores(tmp_path, partitions=1, buffer_bytes=2**17).open("orders", 0)) as store:
        for number in range(200):
            store.write([(b"%d" % number, os.urandom(50_000))], b"%d" % number)
        assert {key for key, _ in store.scan()} == {b"%d" % number for number in range(200)}


def test_a_disk_that_stays_behind_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rocks, "STALL_SECONDS", 0)
    with (
        closing(RocksStores(tmp_path, partitions=1, buffer_bytes=2**17).open("orders", 0)) as store,
        pytest.raises(StoreError, match="the disk took no write for 0 s; see its LOG there"),
    ):
        write_without_pause(store)


def write_without_pause(store: Store) -> None:
    for number in range(1_000):
        store.write([(b"%d" % number, os.urandom(50_000))])


def opening(directory: Path) -> str:
    with pytest.raises(StoreError) as raised:
        RocksStores(directory, partitions=1).open("orders", 0)
    return str(raised.value)


def test_a_store_that_another_process_has_open_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        text = opening(tmp_path)
        other.kill()
    assert text.startswith(f"the store at {tmp_path / 'orders' / '0'}: IO error: ")
    assert "somebody has it open; give every worker a directory of its own" in text


def test_a_store_that_is_open_already_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with closing(RocksStores(tmp_path, partitions=1).open("orders", 0)):
        assert "somebody has it open; give every worker a directory of its own" in opening(tmp_path)


def test_a_directory_that_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "orders").write_text("a file")
    assert "see that this user may write there" in opening(tmp_path)


def filled(directory: Path) -> Path:
    """A store of one table file; the path of that file."""
    with closing(RocksStores(directory, partitions=1).open("orders", 0)) as store:
        store.write((b"%06d" % number, os.urandom(200)) for number in range(20_000))
    (table,) = (directory / "orders" / "0").glob("*.sst")
    return table


def test_a_store_that_lost_a_part_of_a_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    os.truncate(filled(tmp_path), 1_000)
    text = opening(tmp_path)
    assert "Corruption: " in text
    assert "delete that directory, and the worker rebuilds it from the changelog" in text


def test_damage_in_the_middle_is_neither_an_absent_key_nor_the_end_of_a_scan(tmp_path: Path) -> None:
    table = filled(tmp_path)
    with table.open("r+b") as file:
        file.seek(table.stat().st_size // 2)
        file.write(b"damage")
    with closing(RocksStores(tmp_path, partitions=1).open("orders", 0)) as store:
        with pytest.raises(StoreError, match=r"Corruption: .*; delete that directory"):
            list(store.scan())
        with pytest.raises(StoreError, match=r"Corruption: .*; delete that directory"):
            list(map(store.get, (b"%06d" % number for number in range(20_000))))


FILLER = dedent(
    """
    import os, sys
    from itertools import count
    from pathlib import Path
    from streams.stores import StoreError
    from streams.stores.rocks import RocksStores

    store = RocksStores(Path(sys.argv[1]), partitions=1, buffer_bytes=2**20).open("orders", 0)
    try:
        for number in count():
            store.write([(b"%d" % number, os.urandom(100_000))])
    except StoreError as error:
        print(error)
    """
)


@pytest.mark.skipif(
    which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0,  # noqa: S607
    reason="this user may not mount a disk of its own",
)
def test_a_full_disk_is_an_error_that_says_so(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=8m none "$0" && exec "$1" -c "$2" "$0"'
    command: list[str | Path] = ["unshare", "-rm", "sh", "-c", script, tmp_path, sys.executable, FILLER]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert text.startswith(f"the store at {tmp_path / 'orders' / '0'}: IO error: No space left on device")
    assert "make room on the disk and start the worker again; the changelog has all that it held" in text


def test_all_stores_together_keep_to_one_budget_of_memory(tmp_path: Path) -> None:
    budget, partitions, batch = 4 * 2**20, 8, 40
    # The write that fills a buffer goes in whole.
    limit = budget + partitions * 2 * batch * 1_000
    stores = RocksStores(tmp_path, partitions=partitions, cache_bytes=budget, buffer_bytes=budget)
    with ExitStack() as exits:
        opened = [exits.enter_context(closing(stores.open("orders", partition))) for partition in range(partitions)]
        for number in range(50):
            for store in opened:
                store.write((b"%d-%d" % (number, each), os.urandom(1_000)) for each in range(batch))
                assert sum(map(buffered, opened)) <= limit
        for store in opened:
            assert len(list(map(store.get, (b"%d-0" % number for number in range(50))))) == 50
        assert cached(opened[0]) <= budget


def buffered(store: RocksStore) -> int:
    return store._db.property_int_value("rocksdb.cur-size-all-mem-tables") or 0  # noqa: SLF001 - RocksDB's own word


def cached(store: RocksStore) -> int:
    return store._db.property_int_value("rocksdb.block-cache-usage") or 0  # noqa: SLF001 - RocksDB's own word
