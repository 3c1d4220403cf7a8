import pytest

from ops.stack import kafka, postgres, registry
from ops.stack.errors import PartAwayError
from ops.stack.part import Answer, GivenPart


def _given(answer: Answer | None) -> GivenPart:
    return GivenPart("postgres", setting="ORDERFLOW_POSTGRES_DSN", address="secret", shown="shown", ask=lambda: answer)


def test_a_given_part_that_answers_is_used_as_it_is() -> None:
    assert _given(Answer("18.4")).up() == "secret"


def test_a_given_part_that_is_away_is_reported_by_its_setting_without_its_password() -> None:
    with pytest.raises(PartAwayError, match=r"postgres at shown does not answer. ORDERFLOW_POSTGRES_DSN") as raised:
        _given(None).up()
    assert "secret" not in str(raised.value)


def test_the_status_of_a_given_part_has_no_pid_and_no_password() -> None:
    status = _given(Answer("18.4")).status()
    assert (status.address, status.version, status.healthy, status.pids) == ("shown", "18.4", True, ())


@pytest.mark.parametrize(
    "dsn", ["postgresql://me:hunter2@db/orders", "postgresql://me:hunt%65r2@db/orders", "host=db password=hunter2"]
)
def test_a_password_is_never_shown(dsn: str) -> None:
    shown = postgres.without_password(dsn)
    assert "hunter2" not in shown
    assert "hunt%65r2" not in shown
    assert "db" in shown


def test_an_address_without_a_password_is_shown_as_it_was_given() -> None:
    assert postgres.without_password("postgresql://me@db/orders") == "postgresql://me@db/orders"


def test_an_address_that_cannot_be_read_is_not_shown() -> None:
    assert "hunter2" not in postgres.without_password("postgresql:/me:hunter2@@")


def test_what_cannot_be_reached_does_not_answer() -> None:
    assert kafka.ask({"bootstrap.servers": "127.0.0.1:1"}, seconds=0.2) is None
    assert postgres.ask("postgresql://127.0.0.1:1/orders") is None
    assert registry.ask({"url": "http://127.0.0.1:1"}) is None


def test_what_makes_no_sense_does_not_answer() -> None:
    assert kafka.ask({"bootstrap.servers": "127.0.0.1:1", "sasl.mechanism": "CHARM"}, seconds=0.2) is None
    assert postgres.ask("not a dsn") is None
    assert registry.ask({"url": "http://[", "ssl.ca.location": "/nowhere.pem"}) is None
