"""Nothing is lost, doubled or set back when workers are killed. The long form: `make chaos`."""

from pathlib import Path

import pytest

from bench.chaos import Plan, run
from ops.stack import Addresses

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize("store", ["rocksdb", pytest.param("memory", marks=pytest.mark.proof)])
def test_workers_that_are_killed_lose_and_double_nothing(
    stack: Addresses, unique: str, tmp_path: Path, store: str
) -> None:
    report = run(
        Plan(messages=5_000, kills=3, keys=100, store=store, pause_seconds=4.0), stack, unique, tmp_path / "workers"
    )
    assert report.kills == 3
    assert report.violations == 0, report
    assert report.findings.outputs >= 5_000
