import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ops import contract
from ops.cli import main
from ops.stack import Addresses
from schemas import released
from schemas.avsc import fullname
from schemas.catalogue import RECORDS
from schemas.evolution import Release
from schemas.payments import AuthorizePayment, PaymentFailed

NAME = fullname(PaymentFailed)
NOW = Release.of(PaymentFailed)
#: PaymentFailed, before it had its orderId.
SHORT = replace(
    NOW,
    version="0.0.0",
    schema=NOW.schema | {"fields": [field for field in NOW.schema["fields"] if field["name"] != "orderId"]},
)
LINE = f"{NAME}.orderId: added as required, but the records of 0.0.0 lack it; make it optional (None by default)\n"

#: Runs `orderflow schemas …`: exit code, stdout, stderr.
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def running(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["orderflow", "schemas", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, out, err

    return running


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A contract of two messages, and a baseline of its own."""
    monkeypatch.setattr(contract, "MESSAGES", (AuthorizePayment, PaymentFailed))
    monkeypatch.setattr(released, "DIRECTORY", tmp_path)
    return tmp_path


def test_the_committed_contract_is_compatible_with_its_releases(run: Run) -> None:
    code, out, _ = run("check")
    assert (code, out) == (0, "")


@pytest.mark.usefixtures("directory")
def test_a_compatible_contract_passes_and_says_what_waits(run: Run) -> None:
    assert run("check") == (0, "", "compatible with every release; 2 messages wait for the next\n")


def test_each_break_is_a_line_and_the_exit_code_is_1(run: Run, directory: Path) -> None:
    released.add([(NAME, SHORT)], directory)
    assert run("check") == (1, LINE, "orderflow: 1 breaking change: readers and records would be lost\n")


def test_breaks_are_json_for_machines(run: Run, directory: Path) -> None:
    released.add([(NAME, SHORT)], directory)
    code, out, _ = run("check", "--json")
    assert code == 1
    assert [each["path"] for each in json.loads(out)] == [f"{NAME}.orderId"]


@pytest.mark.usefixtures("directory")
def test_a_release_moves_the_baseline_once(run: Run) -> None:
    moved = f"{fullname(AuthorizePayment)}: new -> {AuthorizePayment.contract.version}\n{NAME}: new -> {NOW.version}\n"
    assert run("release") == (0, f"{moved}2 released\n", "")
    assert run("release") == (0, "nothing to be released: all of it is there\n", "")
    assert run("check")[2] == "compatible with every release; 0 messages wait for the next\n"


def test_a_dry_release_moves_nothing(run: Run, directory: Path) -> None:
    assert run("release", "--dry-run")[1].endswith("2 would be released\n")
    assert list(directory.iterdir()) == []


def test_a_broken_contract_is_not_released(run: Run, directory: Path) -> None:
    released.add([(NAME, SHORT)], directory)
    code, out, err = run("release")
    assert (code, out) == (1, "")
    assert err.startswith(LINE)
    assert released.read(directory) == {NAME: (SHORT,)}


def test_a_change_under_the_old_version_passes_the_check_and_is_not_released(run: Run, directory: Path) -> None:
    meta = next(field for field in NOW.schema["fields"] if field["name"] == "meta")
    fewer = [field for field in NOW.schema["fields"] if field is not meta]
    released.add([(NAME, replace(NOW, schema={**NOW.schema, "fields": fewer}))], directory)
    line = f"{NAME}: changed since {NOW.version}, but its version is {NOW.version}; raise it above {NOW.version}\n"
    code, out, err = run("check")
    assert (code, out) == (0, "")
    assert err.endswith(f"before that: {line}")
    assert run("release") == (1, "", f"{line}orderflow: not released: each message above needs a raised version\n")


@pytest.mark.parametrize("verb", ["diff", "register"])
def test_a_registry_that_is_away_is_named_with_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.setenv("ORDERFLOW_REGISTRY_URL", "http://127.0.0.1:1")
    code, out, err = run(verb)
    assert (code, out) == (1, "")
    assert err.startswith(
        "orderflow: the schema registry at http://127.0.0.1:1 does not answer; "
        "start the local one (orderflow up) or set ORDERFLOW_REGISTRY_URL\n"
    )


def test_without_a_registry_the_way_to_one_is_said(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ORDERFLOW_DATA_DIR", str(tmp_path))
    assert run("diff") == (
        1,
        "",
        "orderflow: no registry: start the local one (orderflow up) or set ORDERFLOW_REGISTRY_URL\n",
    )


def test_an_environment_is_a_slug(run: Run) -> None:
    code, _, err = run("register", "--env", "PROD!")
    assert code == 2
    assert "'PROD!' is no environment" in err


@pytest.mark.connected
def test_the_whole_contract_is_registered_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, stack: Addresses, unique: str
) -> None:
    monkeypatch.setenv("ORDERFLOW_REGISTRY_URL", stack.registry)
    count = len(RECORDS)
    assert run("diff", "--env", unique)[1].endswith(f"\n0 of {count} are the same\n")
    assert run("register", "--env", unique, "--dry-run")[1].endswith(f"\n{count} would be registered\n")
    assert run("register", "--env", unique)[1].endswith(f"\n{count} registered\n")
    assert run("register", "--env", unique) == (0, "nothing to be registered: all of it is there\n", "")
    assert run("diff", "--env", unique)[1] == f"{count} of {count} are the same\n"
    states = {each["state"] for each in json.loads(run("diff", "--env", unique, "--json")[1])}
    assert states == {"same"}
