"""Recorded sagas are decided today as they were on the day when they were recorded."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.orchestrator.place_order import place_order
from schemas.checkout import CheckoutFailureReason
from tests.agents.golden.histories import HERE, SERVICES, replayed
from tests.agents.golden.record import STORIES

HISTORIES = sorted(HERE.glob("*.jsonl"))


def lines(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_todays_deciders_decide_as_recorded(path: Path) -> None:
    history = path.read_text("utf-8")
    for recorded, today in zip(history.splitlines(), replayed(history).splitlines(), strict=True):
        assert json.loads(today) == json.loads(recorded), "docs/decisions/0010-golden-histories.md says what to do"


def test_every_story_is_recorded() -> None:
    assert [path.stem for path in HISTORIES] == sorted(STORIES)


def test_the_histories_hold_every_failure_every_step_and_every_service() -> None:
    told = [line for path in HISTORIES for line in lines(path)]
    ends = [each["CheckoutFailed"] for line in told for each in line["sends"] if "CheckoutFailed" in each]
    assert {end["reason"] for end in ends} == set(CheckoutFailureReason) - {CheckoutFailureReason.UNRECOGNIZED}
    cancelled = {end["step"] for end in ends if end["reason"] == CheckoutFailureReason.CANCELLED}
    assert cancelled == {step.name for step in place_order.steps}
    assert {line["service"] for line in told} == set(SERVICES)
