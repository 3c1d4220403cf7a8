"""Records of a changelog through bytes and back, and what recovery must refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.changelog import MARKER_KEY, ChangelogError, Marker, Output, Owed, Place, Record, decode, encode

PLACE = Place("orders.dev-state-changelog", 3, 42, b"key")
CLAIM = PLACE._replace(key=MARKER_KEY)

counts = st.integers(0, 2**64 - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
blobs = st.binary(max_size=40)
headers = st.lists(st.tuples(texts, st.none() | blobs), max_size=2).map(tuple)
outputs = st.builds(Output, texts, counts, st.none() | blobs, st.none() | blobs, headers)
owed = st.lists(st.builds(Owed, counts, outputs, counts), max_size=3).map(tuple)
records = st.builds(Record, counts, counts, counts, blobs, owed)
markers = st.builds(Marker, counts, counts, counts, st.dictionaries(texts, st.tuples(counts, texts), max_size=3))

RECORD = Record(
    epoch=7,
    round=300,
    paid=299,
    entry=b"\1entry",
    owed=(Owed(300, Output("payments.dev.commands", 3, b"key", b"\0\0value", (("h", b"x"), ("n", None)))),),
)
MARKER = Marker(epoch=7, paid=299, round=300, topics={"orders.dev.commands": (2, "AAECAw")})
#: As they were written before outputs told their place. Never to be changed: such bytes lie in changelogs.
WRITTEN = (
    "960107cd012ccd012bc40601656e7472799192cd012c95b57061796d656e74732e6465762e636f6d6d616e647303c4036b6579c4"
    "07000076616c75659292a168c4017892a16ec0"
)
WRITTEN_WITH_PLACE = (
    "960107cd012ccd012bc40601656e7472799193cd012c95b57061796d656e74732e6465762e636f6d6d616e647303c4036b6579c4"
    "07000076616c75659292a168c4017892a16ec000"
)
WRITTEN_MARKER = "950207cd012bcd012c81b36f72646572732e6465762e636f6d6d616e64739202a6414145434177"


@given(record=records)
def test_a_record_reads_back_as_it_was_written(record: Record) -> None:
    assert decode(PLACE, encode(record)) == record


@given(marker=markers)
def test_a_marker_reads_back_as_it_was_written(marker: Marker) -> None:
    assert decode(CLAIM, encode(marker)) == marker


def test_what_is_written_today_is_what_was_written_before() -> None:
    assert (encode(RECORD).hex(), encode(MARKER).hex()) == (WRITTEN_WITH_PLACE, WRITTEN_MARKER)
    assert decode(PLACE, bytes.fromhex(WRITTEN_WITH_PLACE)) == RECORD
    assert decode(PLACE, bytes.fromhex(WRITTEN)) == RECORD
    assert decode(CLAIM, bytes.fromhex(WRITTEN_MARKER)) == MARKER


def test_a_tombstone_is_no_record() -> None:
    assert decode(PLACE, None) is None


@given(record=records | markers, data=st.data())
def test_no_damage_raises_anything_but_a_changelog_error(record: Record | Marker, data: st.DataObject) -> None:
    raw = bytearray(encode(record))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    for damaged in (raw, raw[: data.draw(st.integers(0, len(raw)))]):
        try:
            assert decode(PLACE, bytes(damaged)) is not None
        except ChangelogError as error:
            assert error.place == PLACE  # noqa: PT017 - damage may also leave a record that reads


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (PLACE, b"", "it can't be read: Input data was truncated"),
        (PLACE, b"\x91\x09", "it can't be read: Invalid value 9"),
        (PLACE, encode(RECORD)[:-1], "it can't be read: Input data was truncated"),
        (PLACE, encode(RECORD) + b"\0", "it can't be read: MessagePack data is malformed: trailing characters"),
        (PLACE, encode(MARKER), "a marker under this key"),
        (CLAIM, encode(RECORD), "a record under this key"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_with_its_place(place: Place, value: bytes, problem: str) -> None:
    with pytest.raises(ChangelogError) as raised:
        decode(place, value)
    text = str(raised.value)
    assert text.startswith(f"orders.dev-state-changelog[3]@42, key {place.key!r}: {problem}")
    assert text.endswith("; if newer code wrote it, deploy that code again, else restore the topic")
