"""The Java artifacts of the stack: locked by checksum in artifacts.toml, fetched once per user, always checked."""

import hashlib
import shutil
import tarfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from filelock import FileLock
from platformdirs import user_cache_path

from ops.stack.background import in_background
from ops.stack.errors import ChecksumMismatchError, DownloadError

if TYPE_CHECKING:  # jgo takes 0.2 s to import and is needed only when something has to be downloaded
    from jgo.maven import Artifact, MavenContext

LOCK_FILE = Path(__file__).with_name("artifacts.toml")
KAFKA_VERSION = "4.3.0"

#: A file name and its size in bytes → a context that takes the sizes of the chunks as they arrive.
DownloadProgress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

_READ_TIMEOUT_SECONDS = 60
_DOWNLOADS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, order=True)
class Coordinate:
    """group:artifact:version, or group:artifact:version:classifier:packaging for what isn't a plain jar."""

    group: str
    name: str
    version: str
    classifier: str = ""
    packaging: str = "jar"

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(*text.split(":"))

    def __str__(self) -> str:
        short = f"{self.group}:{self.name}:{self.version}"
        return short if self.packaging == "jar" else f"{short}:{self.classifier}:{self.packaging}"

    def artifact(self, context: "MavenContext") -> "Artifact":
        component = context.project(self.group, self.name).at_version(self.version)
        return component.artifact(classifier=self.classifier, packaging=self.packaging)

    def path(self, repository: Path) -> Path:
        suffix = f"-{self.classifier}" if self.classifier else ""
        file = f"{self.name}-{self.version}{suffix}.{self.packaging}"
        return repository.joinpath(*self.group.split("."), self.name, self.version, file)


REGISTRY = Coordinate("io.apicurio", "apicurio-registry-app", "3.3.3", "all", "tar.gz")


def read_lock(text: str) -> dict[str, dict[Coordinate, str]]:
    return {
        table: {Coordinate.parse(name): checksum for name, checksum in entries.items()}
        for table, entries in tomllib.loads(text).items()
    }


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Artifacts:
    """What the parts run from, below the user's cache directory."""

    def __init__(self, progress: DownloadProgress, *, cache: Path | None = None, lock: str | None = None) -> None:
        self._progress = progress
        self._cache = cache or user_cache_path("orderflow")
        self._locked = read_lock(lock if lock is not None else LOCK_FILE.read_text(encoding="utf-8"))
        self._repository = self._cache / "maven"

    def kafka_jars(self) -> list[Path]:
        """The class path of Kafka; every jar has the locked checksum."""
        with self._guard("kafka"):
            return self._fetch(self._locked["kafka"])

    def registry_home(self) -> Path:
        """The unpacked Apicurio; named after its checksum and moved into place whole, so being there means intact."""
        checksum = self._locked["registry"][REGISTRY]
        home = self._cache / f"{REGISTRY.name}-{REGISTRY.version}-{checksum[:12]}"
        with self._guard("registry"):
            if not home.exists():
                self._unpack(self._fetch({REGISTRY: checksum})[0], home)
        return home

    def _guard(self, table: str) -> FileLock:
        """Two projects share the cache: one fetches, the other waits and finds it there."""
        self._cache.mkdir(parents=True, exist_ok=True)
        return FileLock(self._cache / f"{table}.lock")

    def _fetch(self, checksums: Mapping[Coordinate, str]) -> list[Path]:
        absent = {
            coordinate: checksum
            for coordinate, checksum in checksums.items()
            if not _intact(coordinate.path(self._repository), checksum)
        }
        if absent:
            self._download(absent)
        return [coordinate.path(self._repository) for coordinate in checksums]

    def _download(self, checksums: Mapping[Coordinate, str]) -> None:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 -- see TYPE_CHECKING above

        resolver = PythonResolver(progress_callback=self._progress)
        context = MavenContext(resolver=resolver, repo_cache=self._repository, timeout=_READ_TIMEOUT_SECONDS)
        shares = [list(checksums.items())[i::_DOWNLOADS_AT_ONCE] for i in range(_DOWNLOADS_AT_ONCE)]
        for future in [in_background(partial(_download_all, context, share)) for share in shares]:
            future.result()

    def _unpack(self, archive: Path, home: Path) -> None:
        # A fixed name: what a killed process left half-unpacked is found again and removed.
        unpacking = home.with_name(f"{REGISTRY.name}.unpacking")
        shutil.rmtree(unpacking, ignore_errors=True)
        with tarfile.open(archive) as tar:
            # As an attribute, not an argument, which Python 3.11.2 (Debian 12) has not; 3.12 warns if it is not said.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(unpacking)  # noqa: S202 -- its checksum is the locked one
        unpacking.rename(home)
        archive.unlink()


def _intact(path: Path, checksum: str) -> bool:
    """Jgo writes straight to the final name, so a killed download leaves a part of a file there."""
    if path.exists() and sha256(path) == checksum:
        return True
    path.unlink(missing_ok=True)
    return False


def _download_all(context: "MavenContext", share: Sequence[tuple[Coordinate, str]]) -> None:
    for coordinate, checksum in share:
        _download_one(context, coordinate, checksum)


def _download_one(context: "MavenContext", coordinate: Coordinate, checksum: str) -> None:
    try:
        path = coordinate.artifact(context).resolve()
    # jgo lets the errors of requests (an OSError) through and raises RuntimeError when no repository has the file.
    except (OSError, RuntimeError) as error:
        raise DownloadError(str(coordinate)) from error
    found = sha256(path)
    if found != checksum:
        path.unlink()
        raise ChecksumMismatchError(str(coordinate), locked=checksum, found=found, path=path)
