import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from jgo.maven import Artifact, PythonResolver

from ops.stack.artifacts import LOCK_FILE, REGISTRY, Artifacts, Coordinate, read_lock
from ops.stack.errors import ChecksumMismatchError, DownloadError
from ops.stack.progress import Silent

JAR = Coordinate("org.example", "thing", "1.0")
CONTENT = b"what was locked"
LOCK = f'[kafka]\n"{JAR}" = "{hashlib.sha256(CONTENT).hexdigest()}"\n'

Serve = Callable[[bytes], list[str]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Stand in for the repository; the list names what was asked of it."""

    def serving(content: bytes) -> list[str]:
        asked: list[str] = []

        def download(_resolver: PythonResolver, artifact: Artifact) -> Path:
            path = artifact.cached_path
            assert path is not None
            asked.append(path.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            return path

        monkeypatch.setattr(PythonResolver, "download", download)
        return asked

    return serving


def _artifacts(cache: Path, lock: str = LOCK) -> Artifacts:
    return Artifacts(Silent().download, cache=cache, lock=lock)


def test_the_committed_lock_names_every_artifact_with_a_sha256() -> None:
    lock = read_lock(LOCK_FILE.read_text(encoding="utf-8"))
    assert REGISTRY in lock["registry"]
    assert Coordinate("org.apache.kafka", "kafka_2.13", "4.3.0") in lock["kafka"]
    assert all(len(checksum) == 64 for table in lock.values() for checksum in table.values())


@pytest.mark.parametrize("text", ["a.b:c:1", "a.b:c:1:all:tar.gz"])
def test_a_coordinate_reads_as_it_writes(text: str) -> None:
    assert str(Coordinate.parse(text)) == text


def test_an_artifact_is_fetched_once(tmp_path: Path, serve: Serve) -> None:
    asked = serve(CONTENT)
    [jar] = _artifacts(tmp_path).kafka_jars()
    assert _artifacts(tmp_path).kafka_jars() == [jar]
    assert jar.read_bytes() == CONTENT
    assert asked == ["thing-1.0.jar"]


def test_what_a_killed_download_left_is_fetched_again(tmp_path: Path, serve: Serve) -> None:
    serve(CONTENT)
    [jar] = _artifacts(tmp_path).kafka_jars()
    jar.write_bytes(CONTENT[:3])
    assert _artifacts(tmp_path).kafka_jars()[0].read_bytes() == CONTENT


def test_a_wrong_checksum_is_an_error_and_the_file_is_not_kept(tmp_path: Path, serve: Serve) -> None:
    serve(b"something else")
    with pytest.raises(ChecksumMismatchError, match=r"org.example:thing:1.0 is not the file that was locked"):
        _artifacts(tmp_path).kafka_jars()
    assert list((tmp_path / "maven").rglob("*.jar")) == []


def test_a_download_that_fails_names_the_artifact_and_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(_resolver: PythonResolver, _artifact: Artifact) -> Path:
        raise ConnectionError

    monkeypatch.setattr(PythonResolver, "download", offline)
    with pytest.raises(DownloadError, match=r"org.example:thing:1.0.*orderflow up"):
        _artifacts(tmp_path).kafka_jars()


def test_an_interrupted_unpacking_is_begun_anew(tmp_path: Path, serve: Serve) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("app/quarkus-run.jar"))
    serve(buffer.getvalue())
    half = tmp_path / "apicurio-registry-app.unpacking" / "half"
    half.mkdir(parents=True)
    lock = f'[registry]\n"{REGISTRY}" = "{hashlib.sha256(buffer.getvalue()).hexdigest()}"\n'
    home = _artifacts(tmp_path, lock).registry_home()
    assert [path.name for path in home.iterdir()] == ["app"]
    assert _artifacts(tmp_path, lock).registry_home() == home
