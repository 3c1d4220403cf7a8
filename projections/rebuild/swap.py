"""What serves and what stands beside it change names, in one transaction that the projector waits for.

The lock of the model is held alone meanwhile, so every batch lies wholly before or wholly after it. Readers don't take
that lock: a name is resolved to the one schema or the other, and both are whole.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg.sql import Identifier

from projections import migrations, queries
from projections.rebuild.site import STATEMENTS, RebuildError, Site, is_there

#: The projector waits no longer than both: for the lock to be ours, and for us to be done. The server sees to it.
LOCK_SECONDS = 2
HOLD_SECONDS = 5


class Clock:
    """How long the projector was kept waiting."""

    held_seconds = 0.0


@contextmanager
def standstill(connection: Connection, site: Site, *, drops: bool) -> Iterator[Clock]:
    """A transaction in which nothing is projected into the model. Raises LockNotAvailable.

    `drops`: the schema that was put aside before goes. First, as it may have to wait for who still reads it.
    """
    clock = Clock()
    with connection.transaction():
        limits = {"lock": f"{LOCK_SECONDS}s", "hold": f"{HOLD_SECONDS}s"}
        connection.execute(STATEMENTS["limits"], limits)
        refuse_dependents(connection, site)
        if drops:
            connection.execute(STATEMENTS["drop"].format(schema=Identifier(site.previous)))
        began = time.monotonic()
        connection.execute(STATEMENTS["exclusive"], {"model": site.live})
        yield clock
    clock.held_seconds = time.monotonic() - began


def swap(connection: Connection, site: Site) -> None:
    """In a standstill: the rebuilt one serves, the other is put aside."""
    connection.execute(STATEMENTS["forget notes"].format(schema=Identifier(site.next)))
    _adopt(connection, to=site.next, of=site.live)
    _rename(connection, site.live, site.previous)
    _rename(connection, site.next, site.live)


def rollback(site: Site) -> float:
    """What was put aside serves again, and what served is put aside; for how many seconds the projector waited."""
    with site.alone() as connection:
        if not is_there(connection, site.previous):
            raise RebuildError(f"there is no {site.previous} to go back to: only a rebuild leaves one")
        migrations.migrate(connection, site.previous, migrations.of(site.live))
        aside = f"{site.live}_aside"
        try:
            with standstill(connection, site, drops=False) as clock:
                _adopt(connection, to=site.previous, of=site.live)
                _rename(connection, site.live, aside)
                _rename(connection, site.previous, site.live)
                _rename(connection, aside, site.previous)
        except LockNotAvailable as error:
            raise RebuildError(f"{site.live} is busy: nothing was swapped; try again") from error
        return clock.held_seconds


def refuse_dependents(connection: Connection, site: Site) -> None:
    """What others made of these tables would stay with the old ones."""
    schemas = [site.live, site.next, site.previous]
    if found := [name for (name,) in connection.execute(STATEMENTS["dependents"], {"schemas": schemas})]:
        raise RebuildError(
            f"{', '.join(found)} stands on tables of {site.live}, and would stay on the old ones after a swap, and be "
            "dropped with them: drop it, and make it again afterwards"
        )


def _adopt(connection: Connection, *, to: str, of: str) -> None:
    connection.execute(STATEMENTS["adopt epochs"].format(to=Identifier(to), of=Identifier(of)))
    for (grant,) in connection.execute(STATEMENTS["grants"], {"to": to, "of": of}).fetchall():
        connection.execute(queries.trusted(grant))


def _rename(connection: Connection, schema: str, name: str) -> None:
    connection.execute(STATEMENTS["rename"].format(schema=Identifier(schema), name=Identifier(name)))
