"""Which services a worker runs, and what it says of those that it can't."""

import sys
from pathlib import Path

import pytest

from agents.catalogue import SERVICES
from examples.python.patience import patience
from ops.settings import Settings
from ops.worker.services import NoServiceError, attribute, chosen, offered
from streams.effects import Policy
from streams.hosting import Hosted
from streams.service import ServiceError
from tests.ops.worker.charging import Charge, charge, charging, service
from tests.ops.worker.fakes import hosted, kindness


def test_all_of_them_or_those_that_are_named_in_the_order_of_the_catalogue() -> None:
    assert chosen([], hosted, every=True) == hosted
    assert chosen(["kindness"], hosted, every=False) == [Hosted(kindness)]
    assert chosen(["kindness", "patience"], hosted, every=False) == hosted


def test_a_name_that_is_almost_right_is_corrected() -> None:
    with pytest.raises(NoServiceError, match="patiense is no service; did you mean patience"):
        chosen(["patiense"], hosted, every=False)


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(NoServiceError, match="zzz is no service; there are patience, kindness"):
        chosen(["zzz"], hosted, every=False)


def test_no_name_gets_the_list() -> None:
    with pytest.raises(NoServiceError, match="say which services, or --all: there are patience, kindness"):
        chosen([], hosted, every=False)


def test_an_empty_catalogue_says_what_to_do() -> None:
    with pytest.raises(NoServiceError, match="no service yet; name one of your own with --app"):
        chosen([], [], every=True)


def test_two_services_of_one_name_would_share_their_state() -> None:
    with pytest.raises(NoServiceError, match="patience is declared twice"):
        chosen([], [Hosted(patience)] * 2, every=True)


def test_an_app_is_a_service_with_or_without_performers_or_a_list_else_there_is_the_catalogue() -> None:
    assert offered("examples.python.patience:patience", Settings()) == (Hosted(patience),)
    assert offered("tests.ops.worker.charging:charging", Settings()) == (charging,)
    assert offered("tests.ops.worker.fakes:both", Settings()) == (Hosted(patience), Hosted(kindness))
    assert len(offered(None, Settings())) == len(SERVICES)


def test_an_app_with_an_effect_that_nobody_performs_is_refused_before_it_starts() -> None:
    with pytest.raises(ServiceError, match=r"charging: nobody performs Charge; say who: Hosted\(charging, perform"):
        offered("tests.ops.worker.charging:service", Settings())


def test_a_performer_or_a_policy_of_what_is_never_asked_for_is_a_slip() -> None:
    with pytest.raises(ServiceError, match="patience never asks for Charge"):
        Hosted(patience, perform={Charge: charge})
    with pytest.raises(ServiceError, match="charging never asks for int"):
        Hosted(service, perform={Charge: charge}, policies={int: Policy()})


@pytest.mark.parametrize(
    ("app", "problem"),
    [
        ("examples.python.patience:decide", "is neither a Service or Hosted nor a list of them"),
        ("tests.ops.worker.fakes:READY", "is neither a Service or Hosted nor a list of them"),
        ("examples.python.patience:impatience", "examples.python.patience has no impatience"),
        ("no_such_module:patience", "no_such_module can't be imported from"),
        ("examples.python.patience", "names nothing: say module:attribute"),
    ],
)
def test_an_app_that_is_none_is_told_what_it_is_instead(app: str, problem: str) -> None:
    with pytest.raises(NoServiceError, match=problem):
        offered(app, Settings())


def test_a_module_is_found_from_where_the_command_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "found_here.py").write_text("answer = 42\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert attribute("found_here:answer") == 42
