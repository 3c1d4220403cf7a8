"""Which services a worker runs, and what it says of those that it can't."""

import sys
from pathlib import Path

import pytest

from agents.catalogue import SERVICES
from examples.python.patience import patience
from ops.worker.services import NoServiceError, attribute, chosen, offered
from tests.ops.worker.fakes import both, kindness


def test_all_of_them_or_those_that_are_named_in_the_order_of_the_catalogue() -> None:
    assert chosen([], both, every=True) == both
    assert chosen(["kindness"], both, every=False) == [kindness]
    assert chosen(["kindness", "patience"], both, every=False) == both


def test_a_name_that_is_almost_right_is_corrected() -> None:
    with pytest.raises(NoServiceError, match="patiense is no service; did you mean patience"):
        chosen(["patiense"], both, every=False)


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(NoServiceError, match="zzz is no service; there are patience, kindness"):
        chosen(["zzz"], both, every=False)


def test_no_name_gets_the_list() -> None:
    with pytest.raises(NoServiceError, match="say which services, or --all: there are patience, kindness"):
        chosen([], both, every=False)


def test_an_empty_catalogue_says_what_to_do() -> None:
    with pytest.raises(NoServiceError, match="no service yet; name one of your own with --app"):
        chosen([], [], every=True)


def test_two_services_of_one_name_would_share_their_state() -> None:
    with pytest.raises(NoServiceError, match="patience is declared twice"):
        chosen([], [patience, patience], every=True)


def test_an_app_is_a_service_or_a_list_of_them_else_there_is_the_catalogue() -> None:
    assert offered("examples.python.patience:patience") == (patience,)
    assert offered("tests.ops.worker.fakes:both") == (patience, kindness)
    assert offered(None) == SERVICES


@pytest.mark.parametrize(
    ("app", "problem"),
    [
        ("examples.python.patience:decide", "is neither a Service nor a list of them"),
        ("tests.ops.worker.fakes:READY", "is neither a Service nor a list of them"),
        ("examples.python.patience:impatience", "examples.python.patience has no impatience"),
        ("no_such_module:patience", "no_such_module can't be imported from"),
        ("examples.python.patience", "names nothing: say module:attribute"),
    ],
)
def test_an_app_that_is_none_is_told_what_it_is_instead(app: str, problem: str) -> None:
    with pytest.raises(NoServiceError, match=problem):
        offered(app)


def test_a_module_is_found_from_where_the_command_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "found_here.py").write_text("answer = 42\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert attribute("found_here:answer") == 42
