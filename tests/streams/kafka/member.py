"""A member in a process of its own, to be killed: `member.py BOOTSTRAP GROUP INPUTS PARTITIONS SESSION`."""

import asyncio
import sys

from streams.kafka.control import Control
from streams.kafka.group import Assignment, Group
from streams.kafka.lease import Lease
from tests.streams.kafka.planes import RecordingPlane


class TellingPlane(RecordingPlane):
    def assign(self, assignment: Assignment) -> None:
        super().assign(assignment)
        print(len(assignment.active), flush=True)  # noqa: T201 - to whoever started this process


async def run(bootstrap: str, name: str, inputs: str, partitions: str, session: str) -> None:
    seconds = float(session)
    group = Group(name, frozenset(inputs.split(",")), int(partitions), session_seconds=seconds)
    await Control(group, {"bootstrap.servers": bootstrap}, TellingPlane(), Lease(seconds)).start()
    await asyncio.sleep(seconds * 10)


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
