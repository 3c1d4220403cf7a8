"""What `up` does with a part that doesn't start."""

from pathlib import Path

import pytest

from ops.stack.errors import PartEndedError, PartFailedError
from ops.stack.part import LocalPart, PartStatus
from ops.stack.ports import choose
from ops.stack.state import State

ENDED = PartEndedError("kafka", "ended while starting", log=Path("log"), log_tail=[], next_step="up")
LATE = PartFailedError("kafka", "was not ready", log=Path("log"), log_tail=[], next_step="up")


class Scripted(LocalPart):
    """Each start goes as the script says: an address, or an error."""

    name = "kafka"

    def __init__(self, state: State, *script: str | PartFailedError) -> None:
        self._state = state
        self.script = list(script)
        self.calls: list[str] = []

    def start(self) -> str:
        self.calls.append("start")
        outcome = self.script.pop(0)
        if isinstance(outcome, PartFailedError):
            raise outcome
        return outcome

    def down(self) -> bool:
        self.calls.append("down")
        return True

    def status(self) -> PartStatus:
        raise AssertionError("nobody asks")

    def logs(self) -> list[Path]:
        return []


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "stack.json")


def test_a_part_that_ended_while_starting_is_begun_once_more_on_other_ports(state: State) -> None:
    names = ("kafka-1", "kafka-1-controller", "postgres")
    before = [state.claim_port(name, choose(9092)) for name in names]
    part = Scripted(state, ENDED, "127.0.0.1:9092")
    assert part.up() == "127.0.0.1:9092"
    assert part.calls == ["start", "down", "start"]
    after = [state.port(name) for name in names]
    assert [old != new for old, new in zip(before, after, strict=True)] == [True, True, False]


def test_a_part_that_ends_again_is_broken_and_keeps_its_address(state: State) -> None:
    port = state.claim_port("kafka-1", choose(9092))
    part = Scripted(state, ENDED, ENDED)
    with pytest.raises(PartEndedError):
        part.up()
    assert state.port("kafka-1") == port


def test_the_end_of_another_part_is_not_its_own(state: State) -> None:
    postgres = PartEndedError("postgres", "ended while starting", log=Path("log"), log_tail=[], next_step="up")
    part = Scripted(state, postgres)
    with pytest.raises(PartEndedError):
        part.up()
    assert part.calls == ["start"]


def test_a_part_that_is_late_is_not_made_later(state: State) -> None:
    part = Scripted(state, LATE)
    with pytest.raises(PartFailedError, match="was not ready"):
        part.up()
    assert part.calls == ["start"]
