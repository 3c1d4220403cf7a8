"""From topics to files, round by round. A round is what fits into memory; its manifest makes it count."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pyarrow import parquet

from ops.export.columns import rows, table_of
from ops.export.errors import ExportError
from ops.export.manifest import Shelf, Stretch, settle
from ops.reading import Part, Progress, Said
from streams.codec import Undecodable

#: Some kilobytes each.
RECORDS_A_ROUND = 100_000


class Source(Protocol):
    """What an export asks of a cluster; ops.reading.Reader is one."""

    def topics(self) -> dict[str, int]:
        """With their numbers of partitions."""

    def ids(self, topics: Collection[str]) -> dict[str, str]:
        """What tells a topic from another one of its name."""

    def bounds(self, parts: Iterable[Part]) -> dict[Part, tuple[int, int]]:
        """The first offset that is still there, and the one that comes next."""

    def within(self, bounds: Mapping[Part, tuple[int, int]]) -> Iterator[list[Said]]:
        """What lies between them."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of it."""

    records: int
    #: Records whose value can't be read: they are in tables of their own.
    unreadable: int
    #: Repeats that a replay put there: what they repeat is exported.
    repeats: int
    #: Records that had left the topics before they were exported.
    lost: int
    files: int
    rounds: int
    #: Files of a run that died, removed.
    removed: int


def export(
    source: Source,
    shelf: Shelf,
    topics: Mapping[str, str],
    progress: Progress,
    *,
    records_a_round: int = RECORDS_A_ROUND,
) -> Exported:
    """All that lies on these topics now and is not exported yet. `topics`: by their full names, what to call them."""
    removed = shelf.tidy()
    stretches = _open(source, shelf, topics)
    total, done = sum(each.end - each.begin for each in stretches), 0
    records = unreadable = repeats = files = rounds = 0
    for number, share in enumerate(_shares(stretches, records_a_round), start=1):
        rounds = number
        tables = defaultdict[tuple[str, str, str], list[Said]](list)
        ids = {each.topic: each.topic_id for each in share}
        for batch in source.within({Part(each.topic, each.partition): (each.begin, each.end) for each in share}):
            for said in batch:
                if said.repeats(ids[said.part.topic]):
                    repeats += 1
                    continue
                records += 1
                unreadable += isinstance(said.message, Undecodable)
                tables[topics[said.part.topic], table_of(said), _day(said.at)].append(said)
        written = {}
        for (topic, table, day), lines in sorted(tables.items()):
            path = Path(topic, table, f"day={day}", f"{shelf.next_number:06}.parquet")
            _write(shelf.root / path, lines)
            written[str(path)] = len(lines)
        shelf.add(share, written)
        files += len(written)
        done += sum(each.end - each.begin for each in share)
        progress(done, total)
    lost = sum(each.lost for each in stretches)
    return Exported(records, unreadable, repeats, lost, files, rounds, len(removed))


def _open(source: Source, shelf: Shelf, topics: Mapping[str, str]) -> list[Stretch]:
    """What there is to export, of each partition."""
    there = source.topics()
    if missing := [name for name in topics if name not in there]:
        raise ExportError(f"there is no topic {', '.join(missing)}: is the environment right (--env)?")
    ids, ends = source.ids([*topics]), shelf.ends()
    parts = [Part(name, number) for name in topics for number in range(there[name])]
    stretches = []
    for part, (first, end) in source.bounds(parts).items():
        last = ends.get(part)
        if last and last.topic_id != ids[part.topic]:
            raise ExportError(
                f"{part.topic} was made anew since it was exported (id {last.topic_id}, now {ids[part.topic]}): "
                "export it into another directory"
            )
        due = last.end if last else 0
        begin = max(due, first)
        lost = begin - due if last else 0
        if begin < end:
            stretches.append(Stretch(part.topic, part.partition, begin, end, ids[part.topic], lost))
    return stretches


def _shares(stretches: Iterable[Stretch], most: int) -> Iterator[list[Stretch]]:
    """Rounds of so many records at most."""
    share, room = list[Stretch](), most
    for stretch in stretches:
        left: Stretch | None = stretch
        while left is not None:
            cut = min(left.end, left.begin + room)
            share.append(replace(left, end=cut))
            room -= cut - left.begin
            left = replace(left, begin=cut, lost=0) if cut < left.end else None
            if room == 0:
                yield share
                share, room = [], most
    if share:
        yield share


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1_000, UTC):%Y-%m-%d}"


def _write(path: Path, said: list[Said]) -> None:
    """On the disk, name and all, before a manifest names it."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        parquet.write_table(rows(said), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    for folder in {path.parent, *(folder.parent for folder in missing)}:
        settle(folder)
