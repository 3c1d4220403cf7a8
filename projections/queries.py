"""SQL from files: blocks that begin with `-- name: …`, so that a statement is read, and coloured, as what it is."""

from collections.abc import Mapping
from pathlib import Path

from psycopg.sql import SQL

FOLDER = Path(__file__).parent / "sql"
_NAME = "-- name: "


def load(name: str, folder: Path = FOLDER) -> Mapping[str, SQL]:
    """The statements of `<folder>/<name>.sql`, by their names."""
    _, *blocks = ("\n" + (folder / f"{name}.sql").read_text(encoding="utf-8")).split("\n" + _NAME)
    return {title.strip(): trusted(body) for title, _, body in (block.partition("\n") for block in blocks)}


def trusted(text: str) -> SQL:
    """Of a file of this package: as trusted as a literal in its code."""
    return SQL(text)
