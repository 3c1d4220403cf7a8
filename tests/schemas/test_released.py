from dataclasses import replace
from pathlib import Path

from schemas import released
from schemas.avsc import fullname
from schemas.evolution import Release
from schemas.payments import AuthorizePayment, PaymentFailed

NAME = fullname(PaymentFailed)
NOW = Release.of(PaymentFailed)
OLD = replace(NOW, version="0.0.9")


def test_before_the_first_release_there_is_nothing(tmp_path: Path) -> None:
    assert released.read(tmp_path / "absent") == {}


def test_what_is_added_is_read_back(tmp_path: Path) -> None:
    other = (fullname(AuthorizePayment), Release.of(AuthorizePayment))
    released.add([(NAME, NOW), other], tmp_path)
    assert released.read(tmp_path) == {NAME: (NOW,), other[0]: (other[1],)}


def test_history_only_grows(tmp_path: Path) -> None:
    released.add([(NAME, OLD)], tmp_path)
    released.add([(NAME, NOW)], tmp_path)
    assert released.read(tmp_path)[NAME] == (OLD, NOW)
