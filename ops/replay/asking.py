"""From what an operator asks for to a plan, and from what came of it to words."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ops.groups import Groups, Offsets, earlier
from ops.reading import Part
from ops.replay.audit import Counts, Line, Plan, line, who
from ops.replay.errors import RefusedError, UnclearError
from ops.replay.run import CHANGELOG, Places
from ops.replay.span import bound, span
from schemas.identity import derived_id

#: Every service remembers what has ended for a day at least: half of it is safe.
REMEMBERED_MILLIS = 12 * 3_600_000


class Wish(NamedTuple):
    """Which records."""

    topic: str | None = None
    begin: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    copies: bool = False


class Targets(NamedTuple):
    """Where to; the same topic if nothing is said."""

    topic: str | None = None
    group: str | None = None
    file: str | None = None


def resolved(places: Places, wish: Wish, targets: Targets, resume: str | None) -> tuple[str, Plan, Line | None]:
    """The run's id, what it is to do, and where it was left, if it goes on. Raises UnclearError or RefusedError."""
    if resume is None:
        plan = _asked(places, wish, targets)
        return derived_id("replay", who(), plan.topic, time.time_ns()), plan, None
    if wish != Wish() or targets != Targets():
        raise UnclearError("--resume goes on with what was asked for then: say nothing else of it")
    left = places.audit.last(places.reader, resume)
    return resume, _again(places, left), left


def _asked(places: Places, wish: Wish, targets: Targets) -> Plan:
    to_topic, to_group, to_file = targets
    if wish.topic is None:
        raise UnclearError("say which topic, such as orders.dev.events; or --resume RUN")
    if len([each for each in targets if each is not None]) > 1:
        raise UnclearError("say one of --to-topic, --to-group and --to-file")
    if to_group and (wish.end or wish.keys or wish.where or wish.copies):
        raise UnclearError("a group reads all there is from where it is set back to: with --to-group only --from")
    partitions = places.partitions(wish.topic)
    wanted = span(places.reader, wish.topic, partitions, [*map(bound, wish.begin)], [*map(bound, wish.end)])
    plan = Plan(
        topic=wish.topic,
        topic_id=places.reader.topic_id(wish.topic),
        to="group" if to_group else "file" if to_file else "topic",
        # From wherever the run is gone on with.
        name=to_group or (str(Path(to_file).resolve()) if to_file else to_topic or wish.topic),
        bounds={part.partition: each for part, each in wanted.bounds.items()},
        since=wanted.since,
        before=wanted.before,
        keys=wish.keys,
        where=wish.where,
        copies=wish.copies,
    )
    if plan.to == "topic":
        places.check_target(plan)
    return plan


def _again(places: Places, left: Line) -> Plan:
    plan = left.plan
    if left.state == "done":
        raise UnclearError(f"run {left.run} came to its end: {left.counts.copied} records copied to {plan.name}")
    places.partitions(plan.topic)
    if places.reader.topic_id(plan.topic) != plan.topic_id:
        raise UnclearError(f"{plan.topic} was deleted and made again since: its offsets mean other records now")
    if plan.to == "topic":
        places.check_target(plan)
    return plan


def check_plain(*, rate: int | None, resumed: bool) -> None:
    """Raises UnclearError for what makes no sense with a group."""
    if rate is not None or resumed:
        raise UnclearError("nothing is copied for a group: there is no rate, and nothing to resume; ask for it again")


def regroup(places: Places, run: str, plan: Plan, *, dry_run: bool) -> dict[int, tuple[int, int]]:
    """By partition, where the group was and where it goes on from. Raises RefusedError for a group at work."""
    groups = Groups(places.client)
    groups.check_empty(plan.name)
    committed = groups.committed(plan.name, plan.topic)
    wanted = {Part(plan.topic, number): first for number, (first, _) in plan.bounds.items()}
    back = earlier(plan.name, committed, wanted)
    _check_remembered(places, plan, back)
    was = {part.partition: committed[part] for part in back}
    if not dry_run:
        places.audit.open()
        # Before it happens: what is told of and did not happen does no harm, the other way round nobody would know.
        places.audit.write(line(run, "started", plan, Counts(), was))
        groups.set(plan.name, back)
        places.audit.write(line(run, "done", plan, Counts(), was))
    return {part.partition: (committed[part], offset) for part, offset in sorted(back.items())}


def _check_remembered(places: Places, plan: Plan, back: Offsets) -> None:
    """A service skips what its keys have absorbed, but a key that has ended is forgotten, and would begin anew."""
    if f"{plan.name}{CHANGELOG}" not in places.reader.topics():
        return
    young = places.reader.since(back, int(time.time() * 1000) - REMEMBERED_MILLIS)
    if old := sorted(part for part, offset in back.items() if offset < young[part]):
        raise RefusedError(
            f"{plan.name} is a service, and {plan.topic}[{old[0].partition}]@{back[old[0]]} is older than "
            f"{REMEMBERED_MILLIS // 3_600_000} hours: what has ended may be forgotten, and would be decided anew, "
            "with new calls to the outside. To copy records for others, say --to-topic; if the service's state is lost "
            "and that is meant, docs/worker.md says how"
        )


def summary(plan: Plan, counts: Counts) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(plan)
    told |= msgspec.to_builtins(counts)
    return told


def left_out(counts: Counts) -> Iterator[tuple[int, str]]:
    for count, why in (
        (counts.left_out, "not asked for"),
        (counts.copies, "copies of an earlier replay (--copies takes them, too)"),
        (counts.unreadable, "can't be read, so no condition holds; docs/replay.md says what to do"),
    ):
        if count:
            yield count, why
