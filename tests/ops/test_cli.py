"""What a person at the shell is told, whatever they type."""

import sys

import pytest

from ops.cli import main


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("demo --bogus", "orderflow demo: No such option: --bogus (see: orderflow demo --help)\n"),
        ("frob", "orderflow: No such command 'frob'. (see: orderflow --help)\n"),
        (
            "topics sync --env BAD",
            (
                "orderflow topics sync: Invalid value for '--env': 'BAD' is no environment: up to 20 of a-z, 0-9 and "
                "hyphens, such as dev, sit, prod (see: orderflow topics sync --help)\n"
            ),
        ),
    ],
)
def test_wrong_arguments_are_one_line_on_stderr_and_exit_code_2(
    arguments: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["orderflow", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr()) == (2, ("", line))


@pytest.mark.parametrize("arguments", ["", "schemas", "topics", "state"])
def test_a_verb_without_its_arguments_shows_its_help(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["orderflow", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert "Usage: orderflow" in out + err
    assert "see:" not in err


VERBS = [
    *("demo", "simulate", "bench saga", "worker", "checkout", "trace", "up", "down", "status", "logs"),
    *("settings", "topics sync", "state drop", "api", "api keys create", "api keys list", "api keys revoke"),
]
SCHEMA_VERBS = [f"schemas {verb}" for verb in ("generate", "check", "release", "register", "diff", "roundtrip")]


@pytest.mark.parametrize("verb", [*VERBS, *SCHEMA_VERBS])
def test_the_help_of_every_verb_has_an_example(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["orderflow", *verb.split(), "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert f"orderflow {verb}" in capsys.readouterr().out.split("Examples:")[1]


def test_ctrl_c_ends_with_the_shells_code_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.settings.load", interrupted)
    monkeypatch.setattr(sys, "argv", ["orderflow", "settings"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
