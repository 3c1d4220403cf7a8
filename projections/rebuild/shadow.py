"""The schema beside the live one: made by the same migrations, without what makes COPY slow, and with that at the end.

It notes by which code it was begun: half of it folded by other rules would be neither the old nor the new.
"""

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.sql import SQL, Identifier

from projections import migrations, models, queries
from projections.rebuild.fill import place
from projections.rebuild.site import STATEMENTS, Mark, RebuildError, Site, Spot

#: Tables whose indexes are made at once.
_HANDS = 2


def prepare(connection: Connection, site: Site) -> bool:
    """Make the shadow, or keep what a run that was cut short has of it; whether there was any."""
    files = _files(connection, site)
    code = _code(files)
    with connection.transaction():
        if _begun_by(connection, site) == code:
            return True
        drop(connection, site)
        migrations.migrate(connection, site.next, files)
        connection.execute(STATEMENTS["note"].format(schema=Identifier(site.next)))
        connection.execute(STATEMENTS["note code"].format(schema=Identifier(site.next)), {"code": code})
        tables = [table.name for table in site.model.tables]
        secondary = connection.execute(STATEMENTS["secondary"], {"schema": site.next, "tables": tables}).fetchall()
        for relation, undo, make in secondary:
            connection.execute(queries.trusted(undo))
            said = {"relation": relation, "statement": make}
            connection.execute(STATEMENTS["defer"].format(schema=Identifier(site.next)), said)
    return False


def complete(site: Site) -> bool:
    """Keys and indexes, table by table; whether each key is there once, as it should be."""
    with site.connected() as connection:
        due = defaultdict[str, list[str]](list)
        for relation, statement in connection.execute(STATEMENTS["deferred"].format(schema=Identifier(site.next))):
            due[relation].append(statement)
    with ThreadPoolExecutor(_HANDS) as hands:
        making = [hands.submit(_make, site, relation, statements) for relation, statements in due.items()]
    try:
        for made in making:
            made.result()
    except UniqueViolation:
        return False
    return True


def drop(connection: Connection, site: Site) -> None:
    connection.execute(STATEMENTS["drop"].format(schema=Identifier(site.next)))


def empty(connection: Connection, site: Site, marks: Mapping[Spot, Mark]) -> None:
    """Nothing is filled: whoever catches up begins with the first record."""
    tables = SQL(", ").join(
        Identifier(site.next, name) for name in (*(each.name for each in site.model.tables), "progress")
    )
    with connection.transaction():
        connection.execute(STATEMENTS["empty"].format(tables=tables))
        place(connection, site, marks.values(), dict.fromkeys(marks, 0))


def _make(site: Site, relation: str, statements: list[str]) -> None:
    with site.connected() as connection:
        for statement in statements:
            with connection.transaction():
                connection.execute(queries.trusted(statement))
                connection.execute(STATEMENTS["made"].format(schema=Identifier(site.next)), {"statement": statement})
        # The planner knows nothing of a new table.
        connection.execute(STATEMENTS["analyze"].format(table=Identifier(site.next, relation)))


def _files(connection: Connection, site: Site) -> list[migrations.Migration]:
    """Those that the live schema has: code that runs now needs what a later file takes away."""
    files = migrations.of(site.live)
    states = {each.name: each.state for each in migrations.standing(connection, site.live, files)}
    if unfit := [file.name for file in files if states[file.name] != "applied" and not file.is_post]:
        raise RebuildError(
            f"schema {site.live}: {', '.join(unfit)} is {states[unfit[0]]}; run: orderflow database migrate"
        )
    return [file for file in files if states[file.name] == "applied"]


def _code(files: list[migrations.Migration]) -> str:
    """What decides about rows: the declarations of the models and of their tables."""
    digest = sha256()
    for source in sorted(Path(models.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    for file in files:
        digest.update(file.checksum.encode())
    return digest.hexdigest()


def _begun_by(connection: Connection, site: Site) -> str | None:
    if connection.execute(STATEMENTS["begun"], {"schema": site.next}).fetchone() != (True,):
        return None
    row = connection.execute(STATEMENTS["code"].format(schema=Identifier(site.next))).fetchone()
    return None if row is None else str(row[0])
