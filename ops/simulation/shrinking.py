"""From a trial that breaks a rule to the smallest that still does: fewest customers, then fewest faults."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ops.simulation.trial import Trial

#: So many times the customers of the first trial are run again at most, all trials together.
PATIENCE = 20


def shrunk(trial: Trial, breaks: Callable[[Trial], bool], suspects: Sequence[int] = ()) -> Trial:
    """`breaks`: whether a smaller one still does. `suspects`: customers who might do alone."""
    left = PATIENCE * len(trial.numbers)

    def still(smaller: Trial) -> bool:
        nonlocal left
        left -= len(smaller.numbers)
        return left >= 0 and breaks(smaller)

    alone = replace(trial, only=tuple(suspects))
    if suspects and still(alone):
        trial = alone
    trial = _fewer_customers(trial, still)
    for fault in sorted(trial.faults):
        calmer = replace(trial, faults=trial.faults - {fault})
        if still(calmer):
            trial = calmer
    return trial


def _fewer_customers(trial: Trial, still: Callable[[Trial], bool]) -> Trial:
    """Leave out half of them, a quarter …, one by one (delta debugging)."""
    numbers, size = list(trial.numbers), len(trial.numbers)
    while size > 1:
        size = (size + 1) // 2
        start = 0
        while start < len(numbers) > 1:
            rest = numbers[:start] + numbers[start + size :]
            if rest and still(replace(trial, only=tuple(rest))):
                numbers = rest
            else:
                start += size
    return replace(trial, only=tuple(numbers))
