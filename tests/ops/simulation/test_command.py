"""`orderflow simulate`, as a person or a program meets it."""

import json
import shlex
import sys

import pytest

from ops.cli import main
from tests.ops.simulation.mutants import greedy_payments


def simulate(arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["orderflow", "simulate", *shlex.split(arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_last_line_is_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate("--sagas 50 --seed 3 --faults none --json", monkeypatch) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["seed"], told["customers"], told["violations"], told["found"]) == (3, 50, 0, [])
    assert told["outcomes"]["completed"] > 30
    assert told["sagas_per_s"] > 0


def test_a_person_reads_what_became_of_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate("--sagas 20 --seed 3 --faults crash,cancel", monkeypatch) == 0
    out = capsys.readouterr().out
    assert "completed" in out
    assert "seed 3" in out


def test_a_violation_exits_with_1_and_the_printed_command_finds_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ops.simulation.services.catalogue", greedy_payments)
    assert simulate("--sagas 30 --seed 1 --json", monkeypatch) == 1
    out, err = capsys.readouterr()
    told = json.loads(out.splitlines()[-1])
    assert told["violations"] > 0
    assert told["found"][0]["rule"] == "money moves once"
    assert f"run the smallest again: {told['smallest']}" in err
    assert "CapturePayment" in err
    assert err.splitlines()[-1] == f"orderflow: {told['violations']} violations; run them again: {told['again']}"
    for command in (told["again"], told["smallest"]):
        assert simulate(command.removeprefix("orderflow simulate "), monkeypatch) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--faults crash,flood", "flood: not among crash, takeover"),
        ("--sagas 10 --only 3,10", "'3,10' must be numbers below 10"),
        ("--only x", "'x' must be numbers"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    arguments: str, complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(arguments, monkeypatch) == 2
    assert complaint in capsys.readouterr().err
