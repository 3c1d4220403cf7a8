import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ops.stack import process
from ops.stack.errors import PartFailedError
from ops.stack.ports import HOST, choose
from ops.stack.process import Launch
from ops.stack.waiting import wait_until

# Two minutes at most: a test run that is killed leaves nothing for ever.
BRIEF = "import signal, socket, sys; signal.alarm(120); "
FOREVER = BRIEF + "signal.pause()"
DEAF = BRIEF + "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
LISTEN = BRIEF + "server = socket.create_server(('127.0.0.1', int(sys.argv[1]))); signal.pause()"

MakeLaunch = Callable[..., Launch]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[MakeLaunch]:
    data = tmp_path / "part"
    data.mkdir()

    def make(code: str, *arguments: object) -> Launch:
        command = [sys.executable, "-c", code, *map(str, arguments), process.marker(data)]
        return Launch("part", data, command, tmp_path / "part.log", process.environment())

    yield make
    if (left := process.find(data)) is not None:
        process.stop([left], seconds=0)


def test_a_server_is_found_by_its_directory(launch: MakeLaunch) -> None:
    wanted = launch(FOREVER)
    running = process.start(wanted)
    assert process.find(wanted.directory) == running
    assert process.find(wanted.directory.parent) is None


def test_a_server_is_not_found_by_a_directory_that_begins_alike(launch: MakeLaunch) -> None:
    wanted = launch(FOREVER)
    process.start(wanted)
    assert process.find(wanted.directory.with_name("par")) is None


def test_a_dead_server_is_not_found_though_its_parent_lives(launch: MakeLaunch) -> None:
    wanted = launch(FOREVER)
    running = process.start(wanted)
    running.kill()
    assert wait_until(lambda: not process.is_running(running), seconds=10)
    assert process.find(wanted.directory) is None


def test_a_server_has_a_session_of_its_own_and_no_pipe_to_us(launch: MakeLaunch) -> None:
    running = process.start(launch(FOREVER))
    assert os.getsid(running.pid) == running.pid


def test_a_server_outlives_who_started_it(launch: MakeLaunch) -> None:
    wanted = launch(FOREVER)
    starter = (
        "import sys; from pathlib import Path; from ops.stack import process; data = Path(sys.argv[1]); "
        "process.start(process.Launch('part', data, sys.argv[2:], data / 'log', process.environment()))"
    )
    subprocess.run([sys.executable, "-c", starter, wanted.directory, *wanted.command], check=True)
    running = process.find(wanted.directory)
    assert running is not None
    assert process.is_running(running)


def test_a_server_that_will_not_stop_is_killed(launch: MakeLaunch) -> None:
    wanted = launch(DEAF)
    running = process.start(wanted)
    assert wait_until(lambda: "deaf" in wanted.log.read_text(), seconds=10)
    process.stop([running], seconds=0.2)
    assert not process.is_running(running)


def test_a_recycled_pid_is_never_signalled(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", FOREVER]) as stranger:
        ours = psutil.Process(stranger.pid)
        # The same pid, started at another time: another process.
        monkeypatch.setattr(ours, "_ident", (stranger.pid, ours.create_time() - 60))
        process.stop([ours], seconds=0)
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_dies_is_reported_with_its_last_lines(launch: MakeLaunch) -> None:
    wanted = launch("print('the disk is full'); raise SystemExit(3)")
    with pytest.raises(PartFailedError, match="ended while starting") as raised:
        process.wait_ready(wanted, process.start(wanted), port=1, answers=lambda: True, seconds=10)
    assert raised.value.log_tail == ("the disk is full",)
    assert "orderflow up" in str(raised.value)


def test_a_server_that_never_answers_is_reported_after_its_deadline(launch: MakeLaunch) -> None:
    wanted = launch(FOREVER)
    with pytest.raises(PartFailedError, match="was not ready within 0 s"):
        process.wait_ready(wanted, process.start(wanted), port=1, answers=lambda: True, seconds=0.2)


def test_a_stranger_on_the_port_is_not_taken_for_our_server(launch: MakeLaunch) -> None:
    wanted = launch(FOREVER)
    with socket.create_server((HOST, 0)) as stranger:
        running = process.start(wanted)
        assert not process.listens(running, stranger.getsockname()[1])


def test_a_server_is_ready_when_it_listens_and_answers(launch: MakeLaunch) -> None:
    port = choose(45434)
    wanted = launch(LISTEN, port)
    process.wait_ready(wanted, process.start(wanted), port=port, answers=lambda: True, seconds=10)


def test_the_log_of_the_run_before_is_kept(launch: MakeLaunch) -> None:
    wanted = launch("print('words')")
    for _ in range(2):
        running = process.start(wanted)
        assert wait_until(lambda: not process.is_running(running), seconds=10)  # noqa: B023 -- asked in this round alone
    assert wanted.log.with_name("part.log.1").read_text() == "words\n"
    assert wanted.log.read_text() == "words\n"
