"""Which files count, and up to where they go: one manifest for each round, written once its files are there.

A file that no manifest names was never exported: the process died before it could say so. It is removed by the next
one, which exports the same records again. A manifest is a file that appears whole, by its rename, so there is no moment
in which records count twice, or not at all.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.export.errors import ExportError
from ops.reading import Part

MANIFESTS = "_manifests"
_DRAFT = ".draft"
_LOCK = "_lock"


@dataclass(frozen=True, slots=True)
class Written:
    """One file of a round."""

    path: str
    rows: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a round took of one partition: from an offset up to, and without, another one."""

    topic: str
    partition: int
    begin: int
    end: int
    #: Of the topic: one of the same name that is made anew has another.
    topic_id: str
    #: Records that had left the topic before they could be exported.
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """One round."""

    number: int
    stretches: tuple[Stretch, ...]
    files: tuple[Written, ...]


class Shelf:
    """The directory of an export; one process at a time has it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifests = [*self._read()]

    @property
    def next_number(self) -> int:
        return self.manifests[-1].number + 1 if self.manifests else 1

    def ends(self) -> dict[Part, Stretch]:
        """Of each partition the last stretch."""
        return {Part(each.topic, each.partition): each for made in self.manifests for each in made.stretches}

    def tidy(self) -> list[str]:
        """Remove what no manifest names; what that was."""
        named = {file.path for manifest in self.manifests for file in manifest.files}
        strays = [path for path in self._files() if str(path.relative_to(self.root)) not in named]
        for path in strays:
            path.unlink()
        return [str(path.relative_to(self.root)) for path in strays]

    def _files(self) -> Iterator[Path]:
        yield from sorted(self.root.glob("*/*/day=*/*.parquet"))
        yield from sorted((self.root / MANIFESTS).glob(f"*{_DRAFT}"))

    def add(self, stretches: Sequence[Stretch], files: Mapping[str, int]) -> Manifest:
        """From now on these files count. They are on the disk."""
        written = tuple(Written(path, rows) for path, rows in files.items())
        made = Manifest(self.next_number, tuple(stretches), written)
        folder = self.root / MANIFESTS
        folder.mkdir(exist_ok=True)
        final = folder / f"{made.number:06}.json"
        draft = final.with_suffix(_DRAFT)
        with draft.open("w", encoding="utf-8") as file:
            json.dump(asdict(made), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(final)
        settle(folder)
        settle(self.root)
        self.manifests.append(made)
        return made

    def _read(self) -> Iterator[Manifest]:
        for path in sorted((self.root / MANIFESTS).glob("*.json")):
            told = json.loads(path.read_text(encoding="utf-8"))
            stretches = tuple(Stretch(**each) for each in told["stretches"])
            yield Manifest(told["number"], stretches, tuple(Written(**each) for each in told["files"]))


@contextmanager
def taken(root: Path) -> Iterator[Shelf]:
    """The directory, made if it is missing. Raises ExportError while another process exports into it."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExportError(f"another export writes into {root}: wait for it, or choose another directory") from error
        yield Shelf(root)


def settle(folder: Path) -> None:
    """The names in a directory are on the disk, too, and not only the files that they name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
