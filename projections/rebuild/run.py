"""A rebuild from its first record to the swap. Killed anywhere, it goes on from what is committed when it runs again.

Fill, make the indexes, catch up, compare all of it in a snapshot of the live model, compare what was touched since,
and at last, while nothing is projected, the rest. What is compared is always at the same offsets on both sides.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from psycopg import Connection, IsolationLevel, OperationalError
from psycopg.errors import IdleInTransactionSessionTimeout, LockNotAvailable, QueryCanceled

from projections.database import DatabaseAwayError
from projections.rebuild import shadow
from projections.rebuild.compare import Difference, Differences, Side, Sides, compare_all, compare_touched
from projections.rebuild.crew import Progress, fill_all
from projections.rebuild.follow import Follower, Touched
from projections.rebuild.site import Log, Mark, RebuildError, Refusals, Site, Spot, marks_of
from projections.rebuild.swap import HOLD_SECONDS, refuse_dependents, standstill, swap

#: Records that are read, written and compared while nothing is projected.
MOST_UNDER_LOCK = 1_000
#: Rounds until no more than those are left, and attempts to get the lock.
_MOST_ROUNDS = 50

Say = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What came of it."""

    model: str
    swapped: bool = False
    #: Whether a run that was cut short had begun it.
    resumed: bool = False
    #: Of this run.
    records: int = 0
    rows: int = 0
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)
    refusals: Refusals = field(default_factory=Refusals)
    #: By stage.
    seconds: dict[str, float] = field(default_factory=dict)
    #: How long the projector was kept waiting.
    held_ms: float = 0.0


class _Behind(Exception):  # noqa: N818 - no error: another round
    """More is left than may be done while nothing is projected."""


class _Differs(Exception):  # noqa: N818 - no error: the report says it
    """What came at last differs."""


def rebuild(site: Site, progress: Progress, say: Say, *, accept_differences: bool = False) -> Report:
    """Raises RebuildError, DatabaseAwayError and what the log raises; then the live model is as it was."""
    try:
        with site.alone() as alone:
            return _Rebuild(site, alone, progress, say, accept_differences=accept_differences).run()
    except (IdleInTransactionSessionTimeout, QueryCanceled) as error:
        raise RebuildError(
            f"{site.live}: what is left took longer than {HOLD_SECONDS} s, so the projector was let go on; nothing was "
            "swapped. Run it again when the machine is less busy: it goes on from here"
        ) from error
    except OperationalError as error:
        raise DatabaseAwayError(f"{site.live}: PostgreSQL went away; run it again: it goes on from here") from error


class _Rebuild:
    def __init__(
        self, site: Site, alone: Connection, progress: Progress, say: Say, *, accept_differences: bool
    ) -> None:
        self._site, self._alone, self._progress, self._say = site, alone, progress, say
        self._accepts = accept_differences
        self._report = Report(site.live)
        self._found = Differences()

    def run(self) -> Report:
        report, began = self._report, time.monotonic()
        with self._site.opened() as (log, codec), Follower(self._site, log, codec) as follower:
            self._prepare(log.ids({mark.topic for mark in self._live_marks().values()}))
            self._timed("fill", lambda: self._fill(log))
            self._timed("index", self._complete)
            self._timed("catch up", lambda: self._catch_up(follower))
            self._timed("compare", lambda: self._compare(follower))
            if self._may_swap():
                self._timed("swap", lambda: self._swap(follower))
            self._report.refusals.take(follower.refusals)
        report.rows, report.differing, report.differences = self._found.rows, self._found.differing, self._found.shown
        report.seconds["all"] = round(time.monotonic() - began, 2)
        return report

    def _timed(self, stage: str, work: Callable[[], None]) -> None:
        began = time.monotonic()
        work()
        self._report.seconds[stage] = round(time.monotonic() - began, 2)
        self._say(f"{stage:9} {self._report.seconds[stage]:.1f} s")

    def _live_marks(self) -> dict[Spot, Mark]:
        marks = marks_of(self._alone, self._site.live)
        if not marks:
            raise RebuildError(
                f"nothing was ever projected into {self._site.live}, so there is nothing to rebuild: is its projector "
                "running (`orderflow projection run`)?"
            )
        return marks

    def _prepare(self, ids: Mapping[str, str]) -> None:
        live = self._live_marks()
        if other := sorted({mark.topic for mark in live.values() if ids[mark.topic] != mark.topic_id}):
            raise RebuildError(
                f"{', '.join(other)} was made anew and not read since: let the projector read it, then rebuild"
            )
        refuse_dependents(self._alone, self._site)
        self._report.resumed = shadow.prepare(self._alone, self._site)
        if any(_other(mark, live.get(spot)) for spot, mark in marks_of(self._alone, self._site.next).items()):
            # It holds rows of topics that are gone.
            shadow.drop(self._alone, self._site)
            self._report.resumed = shadow.prepare(self._alone, self._site)

    def _fill(self, log: Log) -> None:
        filled = marks_of(self._alone, self._site.next)
        parts = defaultdict[int, list[Mark]](list)
        for spot, mark in sorted(self._live_marks().items()):
            if spot not in filled:
                parts[mark.partition].append(mark)
        bounds = log.bounds(mark.spot for marks in parts.values() for mark in marks)
        total = sum(max(0, mark.next_offset - bounds[mark.spot][0]) for marks in parts.values() for mark in marks)
        for each in fill_all(self._site, list(parts.values()), total, self._progress):
            self._report.records += each.records
            self._report.refusals.take(each.refusals)
            if each.problem is not None:
                self._say(f"partition {each.partition} is filled record by record: {each.problem}")

    def _complete(self) -> None:
        if not shadow.complete(self._site):
            self._say("a row is spoken of on several partitions: all is filled record by record")
            shadow.empty(self._alone, self._site, self._live_marks())
            shadow.complete(self._site)

    def _catch_up(self, follower: Follower) -> None:
        for _ in range(_MOST_ROUNDS):
            marks = self._live_marks()
            if (behind := follower.behind(marks)) <= MOST_UNDER_LOCK:
                return
            follower.follow(marks)
            self._report.records += behind
        raise self._too_fast()

    def _compare(self, follower: Follower) -> None:
        """All of it as it is at one moment, then what was touched since, until that is little."""
        with self._snapshot() as sides:
            follower.follow(marks_of(sides.live.connection, self._site.live))
            compare_all(sides, self._site, self._found)
        for _ in range(_MOST_ROUNDS):
            if follower.behind(self._live_marks()) <= MOST_UNDER_LOCK:
                return
            self._compare_touched(follower)
        raise self._too_fast()

    def _compare_touched(self, follower: Follower) -> None:
        with self._snapshot() as sides:
            touched: Touched = {}
            follower.follow(marks_of(sides.live.connection, self._site.live), touched)
            compare_touched(sides, touched, self._found)

    @contextmanager
    def _snapshot(self) -> Iterator[Sides]:
        """The live model as it is at one moment."""
        with self._site.connected() as live, self._site.connected() as rebuilt:
            live.isolation_level, live.read_only = IsolationLevel.REPEATABLE_READ, True
            with live.transaction():
                yield Sides(Side(live, self._site.live), Side(rebuilt, self._site.next))

    def _may_swap(self) -> bool:
        return self._accepts or self._found.differing == 0

    def _swap(self, follower: Follower) -> None:
        for _ in range(_MOST_ROUNDS):
            try:
                self._report.held_ms = round(self._attempt(follower) * 1_000, 1)
            except LockNotAvailable:
                self._say("the model is busy; the swap is tried again")
            except _Behind:
                self._compare_touched(follower)
            except _Differs:
                return
            else:
                self._report.swapped = True
                return
        raise self._too_fast()

    def _attempt(self, follower: Follower) -> float:
        """For how many seconds the projector waited. Whatever it raises, nothing was changed."""
        with self._site.connected() as rebuilt, standstill(self._alone, self._site, drops=True) as clock:
            marks = self._live_marks()
            if follower.behind(marks) > MOST_UNDER_LOCK:
                raise _Behind
            sides = Sides(Side(self._alone, self._site.live), Side(rebuilt, self._site.next))
            touched: Touched = {}
            follower.follow(marks, touched)
            compare_touched(sides, touched, self._found)
            if not self._may_swap():
                raise _Differs
            swap(self._alone, self._site)
        return clock.held_seconds

    def _too_fast(self) -> RebuildError:
        return RebuildError(
            f"{self._site.live}: events come faster than they are followed, or long reads of {self._site.previous} "
            "don't end; nothing was swapped. Run it again at a quieter time: it goes on from here"
        )


def _other(mark: Mark, live: Mark | None) -> bool:
    return live is None or (mark.topic_id, mark.generation) != (live.topic_id, live.generation)
