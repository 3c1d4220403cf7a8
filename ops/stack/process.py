"""The operating system processes of the stack.

There are no pid files. Each server carries a marker in its own command line, `orderflow.part=<its data directory>`,
and is found by it. So nothing can be stale: not after a kill -9 of a server, not after a kill -9 of `up` between
starting one and writing down its pid, and a pid that the system gave to somebody else is never taken for ours.
"""

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ops.stack.errors import PartEndedError, PartFailedError, StackError
from ops.stack.logs import tail
from ops.stack.waiting import wait_until

LOG_TAIL_LINES = 15
_MARKER = "orderflow.part="
_KILL_SECONDS = 10


class _Server(subprocess.Popen[bytes]):
    """A child that is meant to outlive us: letting go of it is no leak, so there is nothing to warn of."""

    def __del__(self) -> None:
        pass


#: Polling them reaps those that died, so that a long-lived parent (a test run) collects no zombies.
_children: list[_Server] = []


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one server. `directory` is both its data and its identity."""

    name: str
    directory: Path
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    #: The account to run as, where it has to differ from ours.
    user: str | None = None


def marker(directory: Path) -> str:
    return f"{_MARKER}{directory}"


def find(directory: Path) -> psutil.Process | None:
    """Our server on that directory, if it runs."""
    return find_all(directory.parent).get(directory)


def find_all(root: Path) -> dict[Path, psutil.Process]:
    """Our running servers with directories right below `root`, by directory."""
    _reap()
    found: dict[Path, psutil.Process] = {}
    for process in psutil.process_iter():
        # Gone while we look, a zombie, or not ours to read: then it isn't one.
        with suppress(psutil.Error):
            directory = _marked(process)
            if directory is not None and directory.parent == root and not _is_fork(process, directory):
                found[directory] = process
    return found


def start(launch: Launch) -> psutil.Process:
    """Start a server that outlives us: a session of its own, no pipe to us, its output in its log."""
    if launch.log.exists():
        launch.log.replace(launch.log.with_name(f"{launch.log.name}.1"))
    with launch.log.open("ab") as log:
        child = _Server(
            launch.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=launch.directory,
            env=dict(launch.environment),
            user=launch.user,
            group=pwd.getpwnam(launch.user).pw_gid if launch.user else None,
            extra_groups=[] if launch.user else None,
            start_new_session=True,
        )
    _children.append(child)
    return psutil.Process(child.pid)


def wait_ready(
    launch: Launch, process: psutil.Process, *, port: int, answers: Callable[[], bool], seconds: float
) -> None:
    """Until it listens and answers. First the port: else another project's server there would answer in its place."""

    def ready() -> bool:
        if not is_running(process):
            raise _failed(
                PartEndedError, launch, "ended while starting", "correct what the log says, then run: orderflow up"
            )
        return listens(process, port) and answers()

    if not wait_until(ready, seconds=seconds):
        raise _failed(
            PartFailedError,
            launch,
            f"was not ready within {seconds:.0f} s",
            "run: orderflow down; then, with an idle machine: orderflow up",
        )


def _failed(kind: type[PartFailedError], launch: Launch, what: str, next_step: str) -> PartFailedError:
    return kind(launch.name, what, log=launch.log, log_tail=tail(launch.log, LOG_TAIL_LINES), next_step=next_step)


def is_running(process: psutil.Process) -> bool:
    """Also tells a recycled pid from the process that had it: psutil compares the times of creation."""
    _reap()
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def listens(process: psutil.Process, port: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for connection in process.net_connections("tcp")
        )
    return False


def stop(processes: Sequence[psutil.Process], *, ask: signal.Signals = signal.SIGTERM, seconds: float) -> None:
    """Ask them all to end; kill what is left after `seconds`."""
    try:
        for process in processes:
            _send(process, ask)
        if not _wait_ended(processes, seconds):
            for process in filter(is_running, processes):
                _send(process, signal.SIGKILL)
            _wait_ended(processes, _KILL_SECONDS)
    except psutil.AccessDenied as error:
        raise StackError(
            f"process {error.pid} of this stack belongs to another user; run the same command as that user"
        ) from error


def _wait_ended(processes: Sequence[psutil.Process], seconds: float) -> bool:
    # psutil's own wait would also wait for an idle init to collect the zombie.
    return wait_until(lambda: not any(map(is_running, processes)), seconds=seconds)


def _send(process: psutil.Process, what: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):  # it ended by itself, which is what we want
        process.send_signal(what)


def _marked(process: psutil.Process) -> Path | None:
    for argument in process.cmdline():
        if (directory := argument.removeprefix("-D").removeprefix(_MARKER)) != argument.removeprefix("-D"):
            return Path(directory)
    return None


def _is_fork(process: psutil.Process, directory: Path) -> bool:
    """PostgreSQL's children look like their parent until they set their titles."""
    with suppress(psutil.Error):  # a parent that we may not read is no server of ours
        parent = process.parent()
        return parent is not None and _marked(parent) == directory
    return False


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def environment(**extra: str) -> dict[str, str]:
    """Ours, whole, for a child: behind some proxies nothing works without what it says of proxies and authorities."""
    return {**os.environ, **extra}
