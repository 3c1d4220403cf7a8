"""From where to where: offsets of each partition, and times.

The end is fixed before the first copy is made, so a replay into its own topic never meets its copies. Times are asked
of each record: a partition is not in the order of its timestamps, since producers differ, and copies keep theirs.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ops.reading import Part, Reader
from ops.replay.errors import UnclearError


class Bound(NamedTuple):
    """One `--from` or `--to`: a time, or an offset of one partition or of all."""

    at: int | None = None
    offset: int | None = None
    partition: int | None = None


class Span(NamedTuple):
    """What is asked for, as it lies there."""

    bounds: Mapping[Part, tuple[int, int]]
    #: Millis, where times are asked for: not older than the first, and older than the second.
    since: int | None = None
    before: int | None = None


def bound(text: str) -> Bound:
    if match := re.fullmatch(r"(?:(\d+):)?(\d+)", text):
        partition, offset = match.groups()
        return Bound(offset=int(offset), partition=None if partition is None else int(partition))
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UnclearError(
            f"{text!r} is neither a time (2026-11-21T17:00, UTC unless it says otherwise), nor an offset (42), nor an "
            "offset of one partition (3:42)"
        ) from None
    return Bound(at=int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000))


def span(reader: Reader, topic: str, partitions: int, begins: Sequence[Bound], ends: Sequence[Bound]) -> Span:
    """Where an offset of one partition is given, the others are left out."""
    for side, given in (("--from", begins), ("--to", ends)):
        of = {each.partition for each in given}
        if len(given) > 1 and (None in of or len(of) < len(given)):
            raise UnclearError(f"{side} is given several times: that is for offsets of different partitions only")
    named = [{each.partition for each in side if each.partition is not None} for side in (begins, ends)]
    numbers = set(range(partitions))
    if strange := (named[0] | named[1]) - numbers:
        raise UnclearError(f"{topic} has no partition {min(strange)}: they are 0 to {partitions - 1}")
    for each in filter(None, named):
        numbers &= each
    parts = [Part(topic, number) for number in sorted(numbers)]
    there = reader.bounds(parts)
    since, before = _time(begins), _time(ends)
    firsts = reader.since(parts, since) if since is not None else {}
    bounds: dict[Part, tuple[int, int]] = {}
    for part, (low, high) in there.items():
        first = max(low, firsts.get(part, _offset(begins, part.partition, low)))
        bounds[part] = (first, max(first, min(high, _offset(ends, part.partition, high))))
    return Span(bounds, since, before)


def _time(bounds: Sequence[Bound]) -> int | None:
    return next((each.at for each in bounds if each.at is not None), None)


def _offset(bounds: Sequence[Bound], partition: int, default: int) -> int:
    return next(
        (each.offset for each in bounds if each.offset is not None and each.partition in (None, partition)), default
    )
