"""Fewest customers, then fewest faults, without running for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.simulation.shrinking import PATIENCE, shrunk
from ops.simulation.trial import Fault, Trial


@given(
    count=st.integers(1, 40),
    data=st.data(),
)
def test_only_those_are_left_without_whom_nothing_breaks(count: int, data: st.DataObject) -> None:
    culprits = frozenset(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3)))
    faults = frozenset(data.draw(st.lists(st.sampled_from(Fault))))
    smallest = shrunk(Trial(1, count), lambda trial: culprits <= set(trial.numbers) and faults <= trial.faults)
    assert (smallest.only, smallest.faults) == (tuple(sorted(culprits)), faults)


def test_suspects_are_tried_alone_first() -> None:
    tried: list[Trial] = []

    def breaks(trial: Trial) -> bool:
        tried.append(trial)
        return 7 in trial.numbers

    assert shrunk(Trial(1, 1_000), breaks, suspects=[7]).only == (7,)
    assert tried[0].only == (7,)
    assert sum(len(trial.numbers) for trial in tried) == 1 + len(Fault)


@pytest.mark.parametrize("count", [10, 1_000])
def test_it_gives_up_after_a_while(count: int) -> None:
    customers = 0

    def breaks(trial: Trial) -> bool:
        nonlocal customers
        customers += len(trial.numbers)
        return False

    shrunk(Trial(1, count), breaks)
    assert customers <= PATIENCE * count
