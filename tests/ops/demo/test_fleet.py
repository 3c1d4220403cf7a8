from pathlib import Path

import psutil
import pytest

from ops.demo.errors import WorkerEndedError
from ops.demo.fleet import Fleet


def test_a_worker_that_ends_by_itself_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    with Fleet(1, tmp_path, {"ORDERFLOW_BOGUS": "1"}) as fleet, pytest.raises(WorkerEndedError) as ended:
        fleet.await_shared(["orders"], 4)
    assert ended.value.code == 2
    assert "ORDERFLOW_BOGUS is no setting" in str(ended.value)


def test_whatever_happens_no_worker_is_left(tmp_path: Path) -> None:
    pids = list[int]()

    def interrupted() -> None:
        with Fleet(2, tmp_path, {}) as fleet:
            pids.extend(fleet.pids)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(pids) == 2
    assert not any(map(psutil.pid_exists, pids))
