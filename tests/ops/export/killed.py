"""Exports that are killed with signal 9, each right before another touch of the disk, until one comes to its end.

A process of its own, which forks before anything that has threads is in use.

usage: python -m tests.ops.export.killed DIRECTORY
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path

from ops.export.manifest import taken
from ops.export.run import export
from ops.reading import unseen
from tests.ops.export.tape import TWO_DAYS, two_days

TOUCHES = {"open", "os.mkdir", "os.rename", "os.remove"}


def run(root: str, fatal: int) -> None:
    touches = count(1)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        touched = event in TOUCHES and str(arguments[0]).startswith(root)
        if touched and next(touches) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    with taken(Path(root)) as shelf:
        export(two_days(), shelf, TWO_DAYS, unseen, records_a_round=10)


def main(directory: str) -> None:
    for fatal in count(1):
        child = os.fork()
        if child == 0:
            run(str(Path(directory, str(fatal))), fatal)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(sys.argv[1])
