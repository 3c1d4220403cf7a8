"""Schemas of the database, as numbered SQL files: `migrations/<model>/NNNN_name.pre.sql` and `….post.sql`.

A `pre` file may run while the old code still does, so it only adds. A `post` file takes away what only the old code
needed, so it runs once that is gone. Files name no schema: the same ones fill `orders` and its copy `orders_next`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

from psycopg import Connection
from psycopg.sql import Identifier

from projections import queries
from schemas.errors import OrderflowError

FOLDER = Path(__file__).parent / "migrations"
_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.(?P<phase>pre|post)\.sql")
_SQL = queries.load("migrations")

State = Literal["applied", "pending", "changed", "unknown"]


class MigrationError(OrderflowError):
    """The files and the database don't go together."""


@dataclass(frozen=True)
class Migration:
    """One file."""

    name: str
    text: str

    @property
    def is_post(self) -> bool:
        return self.name.endswith(".post.sql")

    @cached_property
    def checksum(self) -> str:
        return sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Standing:
    """A file against the database; `unknown` is one that only newer code has."""

    name: str
    state: State
    applied_at: datetime | None


def schemas(folder: Path = FOLDER) -> list[str]:
    """All that there are migrations of."""
    return sorted(each.name for each in folder.iterdir())


def of(model: str, folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The files of a model, in the order in which they are applied."""
    files = sorted((folder / model).glob("*.sql"))
    for expected, file in enumerate(files, start=1):
        found = _NAME.fullmatch(file.name)
        if found is None or int(found["number"]) != expected:
            raise MigrationError(
                f"{file}: migrations are numbered without a gap and end in .pre.sql or .post.sql; "
                f"this one should be {expected:04}_<name>.<pre or post>.sql"
            )
    if not files:
        raise MigrationError(
            f"{folder / model} holds no migrations: is {model} a read model, and is it installed whole?"
        )
    return tuple(Migration(file.name, file.read_text(encoding="utf-8")) for file in files)


def standing(connection: Connection, schema: str, migrations: Sequence[Migration]) -> list[Standing]:
    """Every file, and every applied one that there is no file of."""
    with connection.transaction():
        applied = _applied(connection, schema)
    return _compared(applied, migrations)


def migrate(
    connection: Connection, schema: str, migrations: Sequence[Migration], *, post: bool = False
) -> list[Migration]:
    """Apply what is missing, all of it or nothing; what was applied now. Who comes second waits, and finds it done."""
    names = {"schema": Identifier(schema)}
    with connection.transaction():
        connection.execute(_SQL["lock"], {"schema": schema})
        fresh = not _exists(connection, schema)
        if fresh:
            connection.execute(_SQL["prepare"].format(**names))
        states = {each.name: each.state for each in _compared(_applied(connection, schema), migrations)}
        if changed := [name for name, state in states.items() if state == "changed"]:
            raise MigrationError(
                f"schema {schema}: {', '.join(changed)} was changed after it had been applied; "
                "put it back as it was, and write what is new into a new file"
            )
        pending = [each for each in migrations if states[each.name] == "pending"]
        # In a new schema there is nothing that old code could miss.
        due = pending if post or fresh else _before_post(schema, pending)
        connection.execute(_SQL["enter"].format(**names))
        for each in due:
            connection.execute(queries.trusted(each.text))
            connection.execute(_SQL["record"].format(**names), {"name": each.name, "checksum": each.checksum})
    return due


def _before_post(schema: str, pending: Sequence[Migration]) -> list[Migration]:
    first = next((index for index, each in enumerate(pending) if each.is_post), len(pending))
    if behind := [each.name for each in pending[first:] if not each.is_post]:
        raise MigrationError(
            f"schema {schema}: {behind[0]} comes after {pending[first].name}, which takes away what older code needs: "
            "stop all workers older than that file, then run `orderflow database migrate --post`"
        )
    return list(pending[:first])


def _exists(connection: Connection, schema: str) -> bool:
    row = connection.execute(_SQL["exists"], {"schema": schema}).fetchone()
    return row is not None and bool(row[0])


def _applied(connection: Connection, schema: str) -> dict[str, tuple[str, datetime]]:
    if not _exists(connection, schema):
        return {}
    rows = connection.execute(_SQL["applied"].format(schema=Identifier(schema)))
    return {name: (checksum, applied_at) for name, checksum, applied_at in rows}


def _compared(applied: dict[str, tuple[str, datetime]], migrations: Sequence[Migration]) -> list[Standing]:
    found = list[Standing]()
    for each in migrations:
        checksum, applied_at = applied.get(each.name, (None, None))
        state: State = "pending" if checksum is None else "applied" if checksum == each.checksum else "changed"
        found.append(Standing(each.name, state, applied_at))
    known = {each.name for each in migrations}
    found += [Standing(name, "unknown", at) for name, (_, at) in applied.items() if name not in known]
    return found
