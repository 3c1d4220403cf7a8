import socket
from collections.abc import Iterator

import pytest

from ops.stack.ports import HOST, choose, is_free


@pytest.fixture
def occupied() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_where_somebody_listens_is_not_free(occupied: int) -> None:
    assert not is_free(occupied)


def test_a_free_port_is_taken_as_preferred(occupied: int) -> None:
    free = choose(occupied)
    assert choose(free) == free


def test_no_port_is_chosen_that_the_system_may_give_to_a_client(occupied: int) -> None:
    assert all(20_000 <= choose(occupied) < 32_768 for _ in range(20))


def test_another_is_chosen_where_somebody_listens(occupied: int) -> None:
    assert choose(occupied) != occupied


def test_another_is_chosen_where_a_part_of_ours_will_listen(occupied: int) -> None:
    free = choose(occupied)
    assert choose(free, taken={free}) != free
