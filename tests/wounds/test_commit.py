"""A fault that shows within Faust's consumer alone: what it takes for committed.

The engine has a commit of its own, which tests/streams/kafka/test_control.py puts to the same:
`test_a_commit_that_the_coordinator_refused_is_made_again_though_nothing_moved`.
"""

import json
import subprocess
import sys

import pytest


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="stock Faust: a commit that failed counts as done, so the offset is not committed until another follows",
)
def test_a_commit_that_failed_is_tried_again() -> None:
    # In a process of its own: Faust leaves event loops behind, which are errors in ours.
    script = [sys.executable, "-m", "tests.wounds.failing_commit"]
    [first, *later] = json.loads(subprocess.run(script, check=True, capture_output=True, timeout=60).stdout)
    assert later == [first]
