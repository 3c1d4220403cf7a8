"""One run: reads what was asked for, copies what meets the conditions, and writes down how far it is."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ops import reading
from ops.reading import Part, Reader
from ops.replay.audit import Audit, Counts, Line, Plan, State, line
from ops.replay.errors import CutShortError, RefusedError, UnclearError
from ops.replay.targets import Copy, FileTarget, Target, TopicTarget
from ops.replay.where import condition
from schemas.catalogue import RECORDS
from schemas.errors import OrderflowError
from schemas.message import Message
from streams.codec import Codec
from streams.kafka.fetched import Fetched
from streams.kafka.topics import changelog_of
from streams.replay import MARK, Origin, is_copy, origin_of
from streams.topics import TopicAdmin

#: Between two lines of the audit, which is how much a killed run repeats at most.
SETTLE_SECONDS = 2.0
#: A sleep takes longer than it is told, so it is not for each of many thousands a second.
_SHORTEST_SLEEP = 0.005
#: How the name of every changelog ends.
CHANGELOG = changelog_of("", "").lstrip(".")


class Places:
    """One cluster, one environment."""

    def __init__(self, client: Mapping[str, str], environment: str, reader: Reader, codec: Codec) -> None:
        self.client = dict(client)
        self.environment = environment
        self.reader = reader
        self.codec = codec
        self.audit = Audit(client, environment)

    def partitions(self, topic: str) -> int:
        """Raises UnclearError where it is not there."""
        there = self.reader.topics()
        if topic not in there:
            raise UnclearError(
                f"there is no topic {topic}; orderflow topics sync --dry-run lists those of the contract"
            )
        return there[topic]

    def check_target(self, asked: Plan) -> None:
        """Raises RefusedError for a topic that copies would damage."""
        name = asked.name
        self.partitions(name)
        config = TopicAdmin(self.client).find([name])[name].config
        if name.endswith(CHANGELOG):
            raise RefusedError(
                f"{name} is a changelog: a copy would take its service's state back. orderflow state rebuild reads it"
            )
        if name == asked.topic and "compact" in config["cleanup.policy"]:
            raise RefusedError(
                f"{name} is compacted: of each key the last record counts, and a copy would make an older one the "
                "last. Name another topic (--to-topic)"
            )
        if name == self.audit.topic:
            raise RefusedError(f"{name} tells of replays themselves")


class Replay:
    """From a plan, or from where one was left."""

    def __init__(self, places: Places, run: str, asked: Plan, *, rate: int | None, left: Line | None = None) -> None:
        self._places = places
        self._run = run
        self._asked = asked
        self._pace = Pace(rate)
        self._counts = left.counts if left else Counts()
        self._size = left.size if left else None
        self._next = dict(left.next) if left else {number: first for number, (first, _) in asked.bounds.items()}
        self._keys = frozenset(key.encode() for key in asked.keys)
        self._conditions = [condition(each, _travelling(asked.topic, places.environment)) for each in asked.where]
        self._resumed = left is not None

    def dry(self, progress: reading.Progress) -> Counts:
        """Count, and copy nothing."""
        for record in self._records(self._bounds(), progress):
            self._counts.copied += self._wanted(record)
        return self._counts

    def go(self, progress: reading.Progress) -> Counts:
        """Raises CutShortError where something comes in between."""
        bounds = self._bounds()
        self._places.audit.open()
        with self._target() as target:
            self._write("resumed" if self._resumed else "started", target)
            try:
                self._copy(target, bounds, progress)
            except OrderflowError as error:
                raise CutShortError(self._run, error) from error
        return self._counts

    def _copy(self, target: Target, bounds: Mapping[Part, tuple[int, int]], progress: reading.Progress) -> None:
        settle_at = time.monotonic() + SETTLE_SECONDS
        for record in self._records(bounds, progress):
            if self._wanted(record):
                target.take(self._copy_of(record))
                self._counts.copied += 1
                self._pace.wait()
            self._next[record.partition()] = record.offset() + 1
            if time.monotonic() >= settle_at:
                self._write("under way", target)
                settle_at = time.monotonic() + SETTLE_SECONDS
        self._next = {number: end for number, (_, end) in self._asked.bounds.items()}
        self._write("done", target)

    def _write(self, state: State, target: Target) -> None:
        """What it says is copied is safe."""
        self._size = target.settle()
        self._places.audit.write(line(self._run, state, self._asked, self._counts, self._next, size=self._size))

    def _target(self) -> Target:
        places, asked = self._places, self._asked
        if asked.to == "file":
            return FileTarget(Path(asked.name), places.codec, size=self._size)
        partitions, of = places.partitions(asked.name), places.partitions(asked.topic)
        return TopicTarget(places.client, asked.name, partitions=partitions, of=of)

    def _bounds(self) -> dict[Part, tuple[int, int]]:
        """What is still to be read. Raises UnclearError where some of it is not there any more."""
        asked = self._asked
        bounds = {Part(asked.topic, number): (self._next[number], end) for number, (_, end) in asked.bounds.items()}
        for part, (low, _) in self._places.reader.bounds(bounds).items():
            first, end = bounds[part]
            if first < min(end, low):
                raise UnclearError(
                    f"{part.topic}[{part.partition}]: records {first} to {min(end, low) - 1} were deleted since (its "
                    "retention); begin a new run with what is left"
                )
        return bounds

    def _records(self, bounds: Mapping[Part, tuple[int, int]], progress: reading.Progress) -> Iterator[Fetched]:
        total, done = sum(max(0, end - first) for first, end in bounds.values()), 0
        for records in self._places.reader.between(bounds):
            for record in records:
                self._counts.read += 1
                yield record
            done += len(records)
            progress(done, total)

    def _wanted(self, record: Fetched) -> bool:
        asked, counts, at = self._asked, self._counts, record.timestamp()[1]
        if not asked.copies and is_copy(record.headers() or ()):
            counts.copies += 1
            return False
        if (
            (asked.since is not None and at < asked.since)
            or (asked.before is not None and at >= asked.before)
            or (self._keys and record.key() not in self._keys)
        ):
            counts.left_out += 1
            return False
        if not self._conditions:
            return True
        message = self._places.codec.decode(record.value(), (record.key() or b"").decode(errors="replace"))
        if not isinstance(message, Message):
            counts.unreadable += 1
            return False
        holds = all(each.holds(message) for each in self._conditions)
        counts.left_out += not holds
        return holds

    def _copy_of(self, record: Fetched) -> Copy:
        headers = record.headers() or []
        origin = origin_of(headers)
        if origin is None:
            asked = self._asked
            origin = Origin(asked.topic, asked.topic_id, record.partition(), record.offset(), self._run)
        else:  # where it lay when it was new: only there it is a repeat
            origin = msgspec.structs.replace(origin, run=self._run)
        return Copy(record, origin, tuple(each for each in headers if each[0] != MARK))


class Pace:
    """So many a second, and no more after a pause."""

    def __init__(self, rate: int | None) -> None:
        self._seconds = 1 / rate if rate else 0.0
        self._at = 0.0

    def wait(self) -> None:
        if not self._seconds:
            return
        now = time.monotonic()
        self._at = max(self._at, now) + self._seconds
        if self._at - now > _SHORTEST_SLEEP:
            time.sleep(self._at - now)


def _travelling(topic: str, environment: str) -> Sequence[type[Message]]:
    """What may lie there; of a topic that is not the contract's, such as dead letters, anything."""
    return [
        message
        for message in RECORDS
        if message.contract.topic is not None and message.contract.topic.name(environment) == topic
    ] or RECORDS
