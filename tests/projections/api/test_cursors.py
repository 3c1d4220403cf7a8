import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.api.cursors import CursorError, Place, decoded, encoded

PLACES = st.builds(Place, st.integers(-(2**63), 2**63 - 1), st.uuids().map(str))
ALPHABET = string.ascii_letters + string.digits + "-_="
LISTS = st.text(max_size=60)


@given(PLACES, LISTS)
def test_a_cursor_comes_back_as_the_place_that_it_is(place: Place, of: str) -> None:
    assert decoded(encoded(place, of), of) == place


@given(PLACES, LISTS, LISTS)
def test_a_cursor_is_good_for_its_own_list_only(place: Place, of: str, other: str) -> None:
    if of != other:
        with pytest.raises(CursorError):
            decoded(encoded(place, of), other)


@given(PLACES, LISTS, st.data())
def test_no_change_to_a_cursor_goes_unnoticed(place: Place, of: str, data: st.DataObject) -> None:
    cursor = encoded(place, of)
    index = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from(ALPHABET).filter(lambda it: it != cursor[index]))
    for changed in (cursor[:index] + other + cursor[index + 1 :], cursor[:index], cursor + other):
        with pytest.raises(CursorError):
            decoded(changed, of)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_what_is_no_cursor_is_refused_and_never_breaks_anything(text: str) -> None:
    with pytest.raises(CursorError):
        decoded(text, "of")


@given(PLACES, LISTS)
def test_a_cursor_needs_no_escaping_in_a_url(place: Place, of: str) -> None:
    assert set(encoded(place, of)) <= set(ALPHABET)
    assert UUID(place.id)
