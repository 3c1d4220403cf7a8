"""Who replayed what, when, and how far it is: lines of `replays.<env>.audit`, of which the last of a run is enough.

A run goes on from its last line, from any machine. What was copied since that line was written is copied once more,
which its marks make harmless.
"""

import getpass
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ops.reading import Part, Reader
from ops.replay.errors import UnclearError
from streams.kafka.topics import replays_of, replays_topic
from streams.producer import Outgoing, deliver
from streams.topics import TopicAdmin, plan

State = Literal["started", "under way", "resumed", "done"]
Target = Literal["topic", "group", "file"]


class Plan(msgspec.Struct, frozen=True, rename="camel"):
    """All that was asked for, resolved: nothing of it changes while the run lasts."""

    topic: str
    topic_id: str
    to: Target
    name: str
    #: By partition, the first offset and the one before which it ends.
    bounds: Mapping[int, tuple[int, int]]
    since: int | None = None
    before: int | None = None
    keys: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    #: Whether copies are copied, too.
    copies: bool = False


class Counts(msgspec.Struct, rename="camel"):
    """What became of the records so far."""

    read: int = 0
    copied: int = 0
    #: By time, key or condition.
    left_out: int = 0
    #: Because they are copies themselves.
    copies: int = 0
    #: Left out because a condition could not be asked of what can't be decoded.
    unreadable: int = 0


class Line(msgspec.Struct, frozen=True, rename="camel"):
    run: str
    who: str
    #: Millis.
    at: int
    state: State
    plan: Plan
    counts: Counts
    #: By partition, the offset to go on from. Of a group: where it read on from before.
    next: Mapping[int, int]
    #: Of a file, how much of it counts.
    size: int = 0


class Audit:
    """Of one environment."""

    def __init__(self, client: Mapping[str, str], environment: str) -> None:
        self._client = dict(client)
        self.topic = replays_of(environment)
        self._environment = environment

    def open(self) -> None:
        """Make the topic where it is missing."""
        admin = TopicAdmin(self._client)
        declared = [replays_topic(self._environment, brokers=admin.brokers())]
        admin.apply(plan(declared, admin.find([self.topic])), declared)

    def write(self, line: Line) -> None:
        deliver(self._client, [Outgoing(self.topic, line.run, msgspec.json.encode(line))])

    def last(self, reader: Reader, run: str) -> Line:
        """Raises UnclearError for a run that nobody heard of."""
        found: bytes | None = None
        if self.topic in reader.topics():
            for records in reader.between(reader.bounds([Part(self.topic, 0)])):
                found = next((each.value() for each in reversed(records) if each.key() == run.encode()), found)
        if found is None:
            raise UnclearError(f"{self.topic} tells of no run {run}; is it of another environment (--env)?")
        return msgspec.json.decode(found, type=Line)


def who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as somebody without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def line(run: str, state: State, asked: Plan, counts: Counts, following: Mapping[int, int], **more: Any) -> Line:
    return Line(run, who(), int(time.time() * 1000), state, asked, counts, following, **more)
