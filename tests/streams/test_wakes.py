"""Times that come, are moved, and are taken back."""

from hypothesis import given
from hypothesis import strategies as st

from streams.wakes import Wakes

KEY, OTHER = "a", "b"
#: Many of a span of `Wakes`, and some of the next ones.
TIMES = st.integers(0, 50) | st.integers(0, 400_000)
SETS = st.tuples(st.sampled_from("abcdefghij"), st.none() | TIMES)


def test_a_key_wakes_once_at_the_time_that_was_set_last() -> None:
    wakes = Wakes()
    for time in (5, 9, 7, 7):
        wakes.set(KEY, time)
    wakes.set(OTHER, 6)
    assert (wakes.next_at, len(wakes)) == (6, 2)
    assert list(wakes.take(8)) == [(OTHER, 6), (KEY, 7)]
    assert (wakes.next_at, len(wakes)) == (None, 0)


def test_a_key_that_waits_for_nothing_any_more_does_not_wake() -> None:
    wakes = Wakes()
    wakes.set(KEY, 5)
    wakes.set(KEY, None)
    assert (wakes.next_at, list(wakes.take(10))) == (None, [])


@given(st.lists(SETS | TIMES, max_size=60))
def test_wakes_are_what_a_dict_of_times_would_be(steps: list[tuple[str, int | None] | int]) -> None:
    """A pair sets a time, a number takes what is due by then."""
    wakes, times = Wakes(), dict[str, int]()
    for step in steps:
        if isinstance(step, int):
            due = sorted((time, key) for key, time in times.items() if time <= step)
            assert [(time, key) for key, time in wakes.take(step)] == due
            for _, key in due:
                del times[key]
        else:
            key, time = step
            wakes.set(key, time)
            times.pop(key, None)
            if time is not None:
                times[key] = time
        assert (wakes.next_at, len(wakes)) == (min(times.values(), default=None), len(times))


def test_times_that_are_moved_for_ever_take_no_more_room() -> None:
    wakes = Wakes()
    for time in range(100_000):
        wakes.set(str(time % 3), 100_000_000 - 1_000 * time)
    room = len(wakes._near) + sum(map(len, wakes._later.values()))  # noqa: SLF001 - the room that it takes is nobody else's business
    assert room == wakes._places < 2_000  # noqa: SLF001
    assert len(wakes._spans) == len(wakes._later)  # noqa: SLF001
