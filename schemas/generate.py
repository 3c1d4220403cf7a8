"""Everything that is generated from the declarations, as texts by path. Writing them is somebody else's."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas import asyncapi, page
from schemas.avsc import avro_schema, namespace
from schemas.catalogue import MESSAGES
from schemas.message import Record

#: All of these are generated: whatever else lies there is stale.
AVRO = Path("schemas/avro")


def texts(version: str) -> Mapping[Path, str]:
    """`version`: the project's own, for the AsyncAPI document. Paths are below the checkout."""
    return {
        **dict(_avsc()),
        Path("schemas/asyncapi.yaml"): asyncapi.text(version),
        Path("docs/catalogue.md"): page.text(),
    }


def stale(root: Path, version: str) -> Mapping[Path, str]:
    """What is wrong with the generated files below `root`: missing, stale or surplus, by path."""
    wanted = texts(version)
    wrong = {path: "surplus" for path in _present(root) if path not in wanted}
    for path, text in wanted.items():
        if not (root / path).exists():
            wrong[path] = "missing"
        elif (root / path).read_text(encoding="utf-8") != text:
            wrong[path] = "stale"
    return wrong


def _present(root: Path) -> Iterator[Path]:
    return (path.relative_to(root) for path in (root / AVRO).rglob("*.avsc"))


def _avsc() -> Iterator[tuple[Path, str]]:
    for message in MESSAGES:
        records: list[type[Record]] = [message]
        if message.contract.answer is not None:
            records.append(message.contract.answer)
        for record in records:
            context = namespace(record).removeprefix("orderflow.")
            text = json.dumps(avro_schema(record), indent=2, ensure_ascii=False) + "\n"
            yield AVRO / context / f"{record.__name__}.avsc", text
