"""What a worker shows of itself, and what it asks of the cluster."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from ops.settings import Settings
from ops.stack import Stack
from tests.wounds.service import key_of, order
from tests.wounds.subject import Stage, Subject, wound

pytestmark = pytest.mark.connected


@wound("its web server, which is on by default, answers with any state to anybody who asks")
def test_nobody_reads_state_over_http(stage: Stage) -> None:
    worker = stage.start()
    stage.publish(order(0))
    stage.until(lambda: key_of(0) in stage.confirmations(), "first confirmation")
    named = re.findall(r'"(/[^"]*)"', httpx.get(worker.web).text)
    assert [path for path in named if key_of(0) in httpx.get(f"{worker.web}{path}").text] == []
    table = httpx.get(f"{worker.web}/table/counts/{key_of(0)}/")
    assert table.status_code == httpx.codes.NOT_FOUND


@pytest.mark.proof
@pytest.mark.timeout(180)
@wound("changelogs have one replica, however many brokers there are")
def test_a_changelog_has_as_many_copies_as_the_cluster_can_keep(
    subject: Callable[[str], Subject], unique: str, tmp_path: Path
) -> None:
    stack = Stack(Settings(data_dir=tmp_path / ".orderflow"), brokers=3)
    try:
        with closing(Stage(subject(unique), stack.up(), unique, tmp_path)) as stage:
            stage.set()
            stage.start()
            changelog = stage.subject.changelog
            stage.until(lambda: changelog in stage.admin.partition_counts(), "changelog")
            assert stage.admin.find([changelog])[changelog].replication == 3
    finally:
        stack.down(purge=True)
