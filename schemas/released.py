"""The baseline: every version of every message that was ever released, one file per message, committed."""

import json
from collections.abc import Iterable
from pathlib import Path

from schemas.evolution import Baseline, Release

DIRECTORY = Path(__file__).parent / "baseline"


def read(directory: Path) -> Baseline:
    return {
        path.stem: tuple(Release(**release) for release in json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(directory.glob("*.json"))
    }


def add(releases: Iterable[tuple[str, Release]], directory: Path) -> None:
    """Append to the history of each message; what was released is never rewritten."""
    directory.mkdir(parents=True, exist_ok=True)
    baseline = read(directory)
    for name, release in releases:
        history = [each.to_json() for each in (*baseline.get(name, ()), release)]
        (directory / f"{name}.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
