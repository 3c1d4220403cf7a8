"""The stage for a scenario, cleared afterwards."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops.stack import Addresses
from tests.wounds.subject import Stage, Subject


@pytest.fixture
def bare(subject: Callable[[str], Subject], stack: Addresses, unique: str, tmp_path: Path) -> Iterator[Stage]:
    """Without its topics, for a scenario that wants them otherwise."""
    with closing(Stage(subject(unique), stack, unique, tmp_path)) as stage:
        yield stage


@pytest.fixture
def stage(bare: Stage) -> Stage:
    bare.set()
    return bare
