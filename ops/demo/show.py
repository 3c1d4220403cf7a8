"""What a person sees: a picture while it runs, and a page at the end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from ops.demo.outcome import Outcome
from ops.demo.play import Progress
from ops.demo.watch import Stage, Tally

BAR_WIDTH = 40


@contextmanager
def live(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A picture that moves, and is gone in the end. Where nobody looks there is none."""
    with Live(console=console, auto_refresh=False, transient=True) as screen:
        yield lambda progress: screen.update(picture(progress), refresh=True)


def picture(progress: Progress) -> RenderableType:
    """One moment of it."""
    tally, published, of = progress.tally, progress.published, progress.of
    stages = Table.grid(padding=(0, 2))
    stages.add_row("published", ProgressBar(of, published, width=BAR_WIDTH), f"{published} of {of} messages")
    for stage in Stage:
        count = tally.under_way.get(stage, 0)
        stages.add_row(_spoken(stage.name), ProgressBar(max(tally.sagas, 1), count, width=BAR_WIDTH), str(count))
    stages.add_row(
        "ended", ProgressBar(max(tally.sagas, 1), tally.ended, width=BAR_WIDTH), f"{tally.ended} of {tally.sagas}"
    )
    return Group(stages, _line(tally, progress.dead_letters))


def page(outcome: Outcome) -> RenderableType:
    """All of it."""
    table = Table("checkouts", "", box=SIMPLE_HEAD)
    table.columns[1].justify = "right"
    for what, count in _rows(outcome.tally):
        table.add_row(what, str(count))
    table.add_row("rows, each held against the events", str(outcome.rows))
    return Group(table, _line(outcome.tally, outcome.dead_letters))


def _rows(tally: Tally) -> Iterator[tuple[str, int]]:
    yield "completed", tally.completed
    for step, reasons in tally.failed.items():
        for reason, count in _most_first(reasons):
            yield f"failed at {_spoken(step)}: {_spoken(reason)}", count
    for reason, count in _most_first(tally.rejected):
        yield f"turned away: {_spoken(reason)}", count


def _line(tally: Tally, dead_letters: int) -> str:
    took = "" if tally.p50_ms is None else f"from cart to order {tally.p50_ms} ms (p50), {tally.p99_ms} ms (p99)   "
    return f"{took}{tally.sagas_per_s:.0f} checkouts/s   {tally.compensated} steps undone   {dead_letters} dead letters"


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _spoken(name: str) -> str:
    return name.lower().replace("_", " ")
