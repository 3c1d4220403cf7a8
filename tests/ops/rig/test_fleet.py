import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from ops.rig.errors import WorkerEndedError
from ops.rig.fleet import Fleet, workers


def test_a_worker_that_ends_by_itself_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    with Fleet(workers(1), tmp_path, {"ORDERFLOW_BOGUS": "1"}) as fleet, pytest.raises(WorkerEndedError) as ended:
        fleet.await_shared(["orders"], 4)
    assert ended.value.code == 2
    assert "ORDERFLOW_BOGUS is no setting" in str(ended.value)


def test_whatever_happens_no_worker_is_left(tmp_path: Path) -> None:
    pids = list[int]()

    def interrupted() -> None:
        with Fleet(workers(2), tmp_path, {}) as fleet:
            pids.extend(fleet.pids)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(pids) == 2
    assert not any(map(psutil.pid_exists, pids))


def test_whoever_is_interrupted_while_a_process_starts_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = list[int]()

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            pids.append(self.pid)
            os.kill(os.getpid(), signal.SIGINT)  # it runs, and nobody knows of it yet

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt), Fleet(workers(2), tmp_path, {}):
        pass
    assert len(pids) == 1
    assert not psutil.pid_exists(pids[0])
