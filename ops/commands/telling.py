"""How verbs put what they found before a person."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ops import reading

#: Of a table that goes into a file or a pipe: as wide as it takes, so that no id is cut.
_UNBOUNDED = 400


def clock(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%H:%M:%S.%f}"[:-3]


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*heads, box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else _UNBOUNDED, markup=False).print(table)


@contextmanager
def counting() -> Iterator[reading.Progress]:
    """A bar on stderr with the time that is left, gone in the end; nothing where nobody looks."""
    columns = (TextColumn("records read"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        task = bars.add_task("")
        yield lambda done, total: bars.update(task, completed=done, total=total)
