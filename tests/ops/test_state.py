"""`orderflow state drop`, on stores as a worker leaves them."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

from ops.cli import main
from ops.worker.surroundings import rocks_stores


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORDERFLOW_DATA_DIR", str(tmp_path))
    stores = rocks_stores(tmp_path)
    for group, partition in (("orders.dev", 0), ("orders.dev", 3), ("orders.sit", 0)):
        with closing(stores.open(group, partition)) as store:
            store.write([(b"key", b"entry")], b"meta")
    return tmp_path


def drop(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["orderflow", "state", "drop", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_it_removes_the_stores_of_one_service_in_one_environment(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drop(monkeypatch, "orders") == 0
    assert capsys.readouterr() == (
        "- orders.dev[0]\n- orders.dev[3]\n",
        f"2 local stores of orders.dev removed from {kept}\n",
    )
    assert rocks_stores(kept).kept("orders.dev") == []
    assert rocks_stores(kept).kept("orders.sit") == [0]


def test_it_removes_one_partition_where_one_is_named(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drop(monkeypatch, "orders", "--partition", "3") == 0
    assert rocks_stores(kept).kept("orders.dev") == [0]


def test_a_store_that_a_worker_has_open_stays(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = rocks_stores(kept).open("orders.dev", 0)
    try:
        assert drop(monkeypatch, "orders") == 1
        assert "somebody has it open" in capsys.readouterr().err
        assert store.get(b"key") == b"entry"
    finally:
        store.close()
