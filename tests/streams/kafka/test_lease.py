import pytest

from streams.kafka.lease import Lease


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lease(clock: Clock) -> Lease:
    return Lease(8.0, clock)


def test_nobody_may_write_before_the_first_answer(lease: Lease) -> None:
    assert not lease.holds()


def test_it_counts_from_when_the_request_was_sent_not_from_its_answer(lease: Lease, clock: Clock) -> None:
    sent_at = clock.now
    clock.now += 5.0
    lease.renew(sent_at)
    clock.now += 2.9
    assert lease.holds()
    clock.now += 0.2
    assert not lease.holds()


def test_a_late_answer_to_an_old_request_takes_nothing_back(lease: Lease, clock: Clock) -> None:
    lease.renew(clock.now)
    lease.renew(clock.now - 5.0)
    clock.now += 7.9
    assert lease.holds()


def test_a_lost_lease_is_lost_at_once_and_can_be_had_again(lease: Lease, clock: Clock) -> None:
    lease.renew(clock.now)
    lease.lose()
    assert not lease.holds()
    lease.renew(clock.now)
    assert lease.holds()
