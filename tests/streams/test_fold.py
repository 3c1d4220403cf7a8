from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.changelog import ChangelogError, Marker, Place
from streams.fold import Fold

PLACE = Place("counter.test-state-changelog", 3, 7, b"key")
TOPICS = {"a": (1, "id-of-a")}


class Due(NamedTuple):
    round: int


def written(fold: Fold, key: str, *, epoch: int = 1, round_: int, paid: int = 0, owed: tuple[int, ...] = ()) -> bool:
    return fold.written(PLACE, key, epoch, round_, paid, tuple(map(Due, owed)))


def test_what_is_owed_is_what_no_record_says_is_paid() -> None:
    fold = Fold()
    written(fold, "k", round_=1, owed=(1,))
    written(fold, "l", round_=2, owed=(2,))
    assert fold.owed == {"k": (Due(1),), "l": (Due(2),)}
    written(fold, "m", round_=3, paid=1)
    assert (fold.owed, fold.owes) == ({"l": (Due(2),)}, True)
    fold.marker(Marker(1, 2, 3, TOPICS))
    assert (fold.owed, fold.owes) == ({}, False)


def test_what_a_key_owes_is_what_its_last_record_says() -> None:
    fold = Fold()
    written(fold, "k", round_=1, owed=(1,))
    written(fold, "k", round_=2, owed=(1, 2))
    fold.marker(Marker(1, 1, 2, TOPICS))
    assert fold.owed == {"k": (Due(2),)}
    written(fold, "k", round_=3)
    assert not fold.owes


def test_what_is_paid_is_never_unpaid_again() -> None:
    fold = Fold()
    fold.marker(Marker(1, 5, 5, TOPICS))
    written(fold, "k", round_=6, paid=4, owed=(5,))
    assert fold.owed == {}


def test_what_an_older_owner_writes_behind_a_claim_changes_nothing() -> None:
    fold = Fold()
    written(fold, "k", round_=1, owed=(1,))
    claim = fold.claim(1, TOPICS)
    fold.marker(claim)
    assert not written(fold, "k", epoch=1, round_=9, paid=9)
    assert not written(fold, "l", epoch=1, round_=9, owed=(9,))
    fold.marker(Marker(1, 9, 9, {}))
    assert (fold.epoch, fold.paid, fold.last_round, fold.topics) == (claim.epoch, 0, 1, TOPICS)
    assert fold.owed == {"k": (Due(1),)}


def test_keys_that_an_older_owner_wrote_over_are_foreign_until_they_are_written_again() -> None:
    fold = Fold()
    fold.marker(Marker(2, 0, 0, TOPICS))
    written(fold, "k", epoch=1, round_=1)
    written(fold, "l", epoch=1, round_=1)
    assert fold.foreign == {"k", "l"}
    written(fold, "k", epoch=2, round_=1)
    assert fold.foreign == {"l"}


def test_what_an_older_owner_wrote_before_the_claim_counts() -> None:
    fold = Fold()
    claim = fold.claim(1, TOPICS)
    assert written(fold, "k", epoch=claim.epoch - 1, round_=3, owed=(3,))
    fold.marker(claim)
    assert (fold.owed, fold.last_round) == ({"k": (Due(3),)}, 3)


generations = st.integers(1, 1_000)
#: Of a generation that is as far as ours, or was further before the group was deleted; after some lives in it.
epochs = st.builds(lambda generation, lives: (generation << 40) + lives, st.integers(0, 1_010), st.integers(0, 2**30))


def behind(epoch: int) -> Fold:
    """What an owner has read."""
    fold = Fold()
    fold.marker(Marker(epoch, 4, 7, TOPICS))
    return fold


@given(epoch=epochs, generation=generations, again=st.booleans())
def test_a_claim_is_above_all_that_was_read(epoch: int, generation: int, again: bool) -> None:
    claim = behind(epoch).claim(generation, TOPICS, again=again)
    assert claim.epoch > epoch
    assert (claim.paid, claim.round) == (4, 7)


@example(epoch=2**20, generation=1, later=1, lives=0)
@example(epoch=5 << 40, generation=5, later=1, lives=3)
@given(epoch=epochs, generation=generations, later=st.integers(1, 9), lives=st.integers(0, 20))
def test_of_two_owners_the_one_of_the_later_generation_is_right_though_neither_read_the_others_claim(
    epoch: int, generation: int, later: int, lives: int
) -> None:
    first = behind(epoch).claim(generation, TOPICS)
    for _ in range(lives):
        first = behind(first.epoch).claim(generation, TOPICS, again=True)
    assert behind(epoch).claim(generation + later, TOPICS).epoch > first.epoch


def test_a_round_that_left_no_record_keeps_its_number() -> None:
    fold = Fold()
    written(fold, "k", round_=3)
    fold.marker(Marker(1, 8, 8, TOPICS))
    written(fold, "k", epoch=2, round_=5)
    assert fold.last_round == 8


def test_an_owner_that_goes_backwards_is_not_believed() -> None:
    fold = Fold()
    written(fold, "k", round_=5)
    written(fold, "l", round_=5)
    with pytest.raises(ChangelogError, match=r"counter.test-state-changelog\[3\]@7.* from round 5 to 4 of owner 1"):
        written(fold, "k", round_=4)


def test_a_new_owner_may_know_of_fewer_rounds_than_the_old_one() -> None:
    fold = Fold()
    written(fold, "k", epoch=1, round_=5)
    assert written(fold, "k", epoch=2, round_=4)


class Counting(dict[str, tuple[Due, ...]]):
    """How many keys are looked at on the way to those that are paid."""

    looks = 0

    def items(self):  # type: ignore[no-untyped-def]  # noqa: ANN201 - of a dict, as they come
        for item in super().items():
            Counting.looks += 1
            yield item


def test_to_pay_looks_at_no_key_twice() -> None:
    fold = Fold()
    fold._owed = Counting()  # noqa: SLF001 - how often it is looked at is what this is about
    Counting.looks = 0
    count = 2_000
    for round_ in range(1, count + 1):
        written(fold, f"k{round_}", round_=round_, paid=max(0, round_ - 1_000), owed=(round_,))
    assert len(fold.owed) == 1_000
    assert Counting.looks < 3 * count + 1_000
