from collections.abc import Collection
from typing import Literal, cast

import pytest

from ops.stack import Addresses, Stack
from ops.stack.borrowed import borrowed
from ops.stack.part import PartName, PartStatus


class Remembers:
    """A stack that was found so, and remembers what was stopped."""

    def __init__(self, **found: Literal["running", "stopped", "given"]) -> None:
        self._found = found
        self.stopped: list[PartName] = []

    def status(self) -> list[PartStatus]:
        return [
            PartStatus(
                name=cast("PartName", name),
                address=None,
                version=None,
                healthy=False,
                pids=(1,) if found == "running" else (),
                provider="given" if found == "given" else "local",
            )
            for name, found in self._found.items()
        ]

    def up(self) -> Addresses:
        return Addresses("kafka", "postgres", "registry")

    def down(self, parts: Collection[PartName]) -> None:
        self.stopped += parts


def borrow(stack: Remembers, *, keep: bool = False) -> list[PartName]:
    with borrowed(cast("Stack", stack), keep=keep):
        assert stack.stopped == []
    return stack.stopped


def test_what_was_started_is_stopped_and_what_ran_before_goes_on() -> None:
    assert borrow(Remembers(kafka="running", postgres="stopped", registry="stopped")) == ["postgres", "registry"]
    assert borrow(Remembers(kafka="running", postgres="running", registry="running")) == []


def test_where_a_part_is_given_the_local_one_beside_it_is_left_alone() -> None:
    assert borrow(Remembers(kafka="given", postgres="given", registry="stopped")) == ["registry"]
    assert borrow(Remembers(kafka="given", postgres="given", registry="given")) == []


def test_what_is_kept_is_not_stopped() -> None:
    assert borrow(Remembers(kafka="stopped", postgres="stopped", registry="stopped"), keep=True) == []


def test_also_where_it_ends_badly_what_was_started_is_stopped() -> None:
    stack = Remembers(kafka="stopped")
    with pytest.raises(KeyboardInterrupt), borrowed(cast("Stack", stack)):
        raise KeyboardInterrupt
    assert stack.stopped == ["kafka"]
