from pathlib import Path

import pytest

from agents.orders.service import orders
from agents.payments.gateway import Authorize, Capture, Captured, Refund, Void
from agents.payments.service import payments
from ops.gateway.hosting import POLICY, with_gateway
from ops.settings import Settings
from ops.worker.services import offered
from streams.hosting import Hosted

CAPTURE = Capture("payment", "authorization", 995, "EUR")


def test_payments_come_with_the_gateway_and_its_policy(tmp_path: Path) -> None:
    hosted = with_gateway(payments, Settings(data_dir=tmp_path))
    assert set(hosted.perform) == {Authorize, Capture, Void, Refund}
    assert hosted.policies == dict.fromkeys(hosted.perform, POLICY)
    assert hosted.perform[Capture](CAPTURE, "1") == Captured(995)
    assert (tmp_path / "gateway.sqlite").exists()


def test_what_asks_nothing_of_it_comes_alone_and_there_is_no_ledger(tmp_path: Path) -> None:
    assert with_gateway(orders, Settings(data_dir=tmp_path)) == Hosted(orders)
    assert list(tmp_path.iterdir()) == []


def test_the_ledger_is_where_the_setting_says(tmp_path: Path) -> None:
    hosted = with_gateway(payments, Settings(data_dir=tmp_path / "data", gateway_ledger=tmp_path / "shared"))
    hosted.perform[Capture](CAPTURE, "1")
    assert (tmp_path / "shared").exists()
    assert not (tmp_path / "data").exists()


def test_all_services_of_the_catalogue_can_be_run(tmp_path: Path) -> None:
    names = [hosted.service.name for hosted in offered(None, Settings(data_dir=tmp_path))]
    assert {"orders", "payments"} <= set(names)


def test_a_behaviour_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="gateway"):
        Settings(gateway="furious")
