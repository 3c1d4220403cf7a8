import time

from projections.projector import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Patience


def pause(patience: Patience) -> float:
    began = time.monotonic()
    patience.lose()
    return patience.until - began


def test_pauses_double_up_to_a_bound_and_begin_anew_after_a_success() -> None:
    patience = Patience("orders")
    pauses = [pause(patience) for _ in range(12)]
    for number, each in enumerate(pauses):
        whole = min(FIRST_PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS)
        assert whole / 2 <= each <= whole + 0.05
    assert patience.waits(time.monotonic())
    patience.gain()
    assert not patience.waits(time.monotonic())
    assert pause(patience) < 2 * FIRST_PAUSE_SECONDS


def test_those_who_lost_the_same_database_do_not_come_back_together() -> None:
    assert len({round(pause(Patience(f"projector {number}")), 3) for number in range(20)}) > 5
