import socket
from pathlib import Path
from threading import Timer

import pytest

from ops.stack.errors import StackError
from ops.stack.ports import HOST, choose
from ops.stack.state import State


def test_a_claimed_port_is_remembered_by_the_next_run(tmp_path: Path) -> None:
    port = State(tmp_path / "stack.json").claim_port("postgres", choose(45432))
    again = State(tmp_path / "stack.json")
    assert again.port("postgres") == port
    assert again.claim_port("postgres", 1) == port


def test_a_port_that_is_let_go_of_in_a_moment_is_kept(tmp_path: Path) -> None:
    state = State(tmp_path / "stack.json")
    port = state.claim_port("kafka-1", choose(45434))
    with socket.create_server((HOST, port)) as killed:  # its last thread is still about to end
        letting_go = Timer(0.3, killed.close)
        letting_go.start()
        assert state.claim_port("kafka-1", 1) == port
        letting_go.join()


def test_two_parts_never_get_the_same_port(tmp_path: Path) -> None:
    state = State(tmp_path / "stack.json")
    default = choose(45433)
    assert state.claim_port("one", default) != state.claim_port("other", default)


def test_a_new_data_dir_has_neither_ports_nor_brokers(tmp_path: Path) -> None:
    state = State(tmp_path / "stack.json")
    assert (state.port("kafka-1"), state.brokers) == (None, None)


def test_a_file_that_is_not_ours_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{", encoding="utf-8")
    with pytest.raises(StackError, match="orderflow down --purge"):
        _ = State(tmp_path / "stack.json").brokers
