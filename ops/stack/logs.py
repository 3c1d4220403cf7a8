"""Reading the logs of the parts."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_PAUSE_SECONDS = 0.2


def tail(log: Path, lines: int) -> list[str]:
    if lines == 0 or not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


def follow(logs: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """What is written from now on, for ever. A file that was rolled over is read from its new beginning."""
    positions = {log: _size(log) for log in logs}
    while True:
        for log in logs:
            text, positions[log] = _read_on(log, positions[log])
            if text:
                yield log, text
        time.sleep(_PAUSE_SECONDS)


def _read_on(log: Path, position: int) -> tuple[str, int]:
    size = _size(log)
    if size == position:
        return "", position
    with log.open("rb") as file:
        file.seek(position if size > position else 0)
        return file.read().decode("utf-8", errors="replace"), file.tell()


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0
