"""What is kept of a key, through bytes and back: by the same code, by newer code, and what is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.message import Message, Meta, Record
from schemas.orders import ConfirmOrder, CreatedItem, CreateOrder
from schemas.payments import PaymentFailureReason
from streams.decision import Decision, Performed
from streams.service import Service
from streams.state import Header, StateCodec, StateError, header
from streams.step import Entry, Parked
from tests.streams.arbitrary import records

KEY = "00000000-0000-4000-8000-000000000001"
LONG = st.integers(-(2**63), 2**63 - 1)


class Phase(StrEnum):
    OPEN = "open"
    DONE = "done"


class Line(NamedTuple):
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Attempt:
    limit: ClassVar[object] = 3
    at: int
    reason: PaymentFailureReason | None


@dataclass(frozen=True, slots=True)
class Kept:
    """One of everything that a state may hold."""

    phase: Phase
    create: CreateOrder | None
    items: tuple[CreatedItem, ...]
    attempts: tuple[Attempt, ...]
    lines: Mapping[str, Line]
    pair: tuple[int, str]
    seen: frozenset[str]
    mode: Literal["fast", "slow"]
    blob: bytes
    share: float
    urgent: bool
    ratio: Annotated[int, "in percent"]
    parent: "Kept | None" = None
    notes: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Charge:
    amount: int


@dataclass(frozen=True, slots=True)
class Tell:
    whom: str
    about: CreatedItem


def decide(state: Kept | None, message: ConfirmOrder | Performed[None], at: int) -> Decision[Kept]:
    return Decision(state)


CODEC = StateCodec(Service(name="kept", state=Kept, decide=decide, effects=(Charge, Tell)))

text = st.text(st.characters(codec="utf-8"), max_size=20)
times = st.none() | st.integers(0, 2**62)
base = st.fixed_dictionaries(
    {
        "phase": st.sampled_from(Phase),
        "create": st.none() | records(CreateOrder),
        "items": st.lists(records(CreatedItem), max_size=2).map(tuple),
        "attempts": st.lists(st.builds(Attempt, LONG, st.none() | st.sampled_from(PaymentFailureReason))).map(tuple),
        "lines": st.dictionaries(text, st.builds(Line, text, LONG), max_size=2),
        "pair": st.tuples(LONG, text),
        "seen": st.frozensets(text, max_size=3),
        "mode": st.sampled_from(["fast", "slow"]),
        "blob": st.binary(max_size=20),
        "share": st.floats(allow_nan=False),
        "urgent": st.booleans(),
        "ratio": LONG,
        "notes": st.dictionaries(LONG, text, max_size=2),
    }
)
states = st.builds(lambda inner, outer: Kept(**outer, parent=inner and Kept(**inner)), st.none() | base, base)
headers = st.lists(st.tuples(text, st.none() | st.binary(max_size=9)), max_size=2).map(tuple)
parked = st.builds(Parked, text, LONG, LONG, st.none() | st.binary(max_size=20), headers)
entries = st.builds(
    Entry,
    version=LONG,
    state=st.none() | states,
    timer=times,
    absorbed=st.dictionaries(text, LONG, max_size=3),
    heard=st.dictionaries(text, st.dictionaries(text, st.tuples(LONG, LONG), max_size=2), max_size=2),
    pending=st.dictionaries(text, st.builds(Charge, LONG) | st.builds(Tell, text, records(CreatedItem)), max_size=2),
    origin=st.none() | records(Meta),
    expires=times,
    parked=st.lists(parked, max_size=3).map(tuple),
    retry_at=times,
    attempts=LONG,
)
broad = settings(suppress_health_check=[HealthCheck.too_slow])


@broad
@given(entry=entries)
def test_an_entry_reads_back_as_it_was_written(entry: Entry[Kept]) -> None:
    assert CODEC.decode(KEY, CODEC.encode(KEY, entry)) == entry


@broad
@given(entry=entries)
def test_the_head_tells_what_a_scan_asks_without_decoding(entry: Entry[Kept]) -> None:
    assert header(CODEC.encode(KEY, entry)[:12]) == Header(1, entry.due, bool(entry.pending), bool(entry.parked))


@broad
@given(entry=entries, data=st.data())
def test_no_damage_raises_anything_but_a_state_error(entry: Entry[Kept], data: st.DataObject) -> None:
    raw = bytearray(CODEC.encode(KEY, entry))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    for damaged in (raw, raw[: data.draw(st.integers(0, len(raw)))]):
        try:
            assert isinstance(CODEC.decode(KEY, bytes(damaged)), Entry)
        except StateError as error:
            assert str(error)  # noqa: PT017 - damage may also leave an entry that reads


def test_a_read_only_dict_is_written_as_what_it_holds() -> None:
    entry: Entry[Kept] = Entry(absorbed=MappingProxyType({"a": 1}))
    assert CODEC.decode(KEY, CODEC.encode(KEY, entry)) == entry


@dataclass(frozen=True, slots=True)
class Order:
    """The third version: cents became an amount with its currency, and lines were added."""

    total: tuple[int, str]
    lines: tuple[str, ...]


def lines_were_one_text(state: dict[str, Any]) -> dict[str, Any]:
    return {"cents": state["cents"], "lines": state["line"].split(",")}


def cents_had_no_currency(state: dict[str, Any]) -> dict[str, Any]:
    return {"total": [state["cents"], "EUR"], "lines": state["lines"]}


def order(state: Order | None, message: ConfirmOrder | Performed[None], at: int) -> Decision[Order]:
    return Decision(state)


def orders(version: int, **of: Any) -> StateCodec[Order]:
    upcasters = {1: lines_were_one_text, 2: cents_had_no_currency} | {
        each: lambda state: state for each in range(3, version)
    }
    known = {each: upcaster for each, upcaster in upcasters.items() if each < version}
    options = {"upcasters": known, "effects": (Charge,)} | of
    return StateCodec(Service(name="orders", state=Order, decide=order, version=version, **options))


ENTRY = Entry(
    version=1_700_000_000_003,
    state=Order((995, "EUR"), ("a", "b")),
    timer=1_700_000_060_000,
    absorbed={"orders.dev.commands": 17},
    heard={"orders.dev.commands": {"clerk": (1_700_000_000_000, 1)}},
    pending={"orders/k/1/effect-1": Charge(995)},
    origin=Meta(messageId="clerk/k/1/1", causationId="c", correlationId="d", traceparent="t"),
    expires=1_700_000_090_000,
    parked=(Parked("orders.dev.commands", 18, 1_700_000_000_004, b"\0v", (("h", b"x"), ("n", None))),),
    retry_at=1_700_000_005_000,
    attempts=2,
)
#: As the first release of this format wrote ENTRY when its state was of version 1, 2 and 3. Never to be changed: such
#: bytes lie in changelogs.
WRITTEN = {
    1: (
        "010300010000018bcfe57b889bcf0000018bcfe5680382a563656e7473cd03e3a46c696e65a3612c62cf0000018bcfe65260"
        "81b36f72646572732e6465762e636f6d6d616e64731181b36f72646572732e6465762e636f6d6d616e647381a5636c65726b"
        "92cf0000018bcfe568000181b36f72646572732f6b2f312f6566666563742d3192a643686172676581a6616d6f756e74cd03"
        "e394ab636c65726b2f6b2f312f31a163a164a174cf0000018bcfe6c7909196b36f72646572732e6465762e636f6d6d616e64"
        "7312cf0000018bcfe56804c40200769292a168c4017892a16ec0c3cf0000018bcfe57b8802"
    ),
    2: (
        "010300020000018bcfe57b889bcf0000018bcfe5680382a563656e7473cd03e3a56c696e657392a161a162cf0000018bcfe6"
        "526081b36f72646572732e6465762e636f6d6d616e64731181b36f72646572732e6465762e636f6d6d616e647381a5636c65"
        "726b92cf0000018bcfe568000181b36f72646572732f6b2f312f6566666563742d3192a643686172676581a6616d6f756e74"
        "cd03e394ab636c65726b2f6b2f312f31a163a164a174cf0000018bcfe6c7909196b36f72646572732e6465762e636f6d6d61"
        "6e647312cf0000018bcfe56804c40200769292a168c4017892a16ec0c3cf0000018bcfe57b8802"
    ),
    3: (
        "010300030000018bcfe57b889bcf0000018bcfe5680382a5746f74616c92cd03e3a3455552a56c696e657392a161a162cf00"
        "00018bcfe6526081b36f72646572732e6465762e636f6d6d616e64731181b36f72646572732e6465762e636f6d6d616e6473"
        "81a5636c65726b92cf0000018bcfe568000181b36f72646572732f6b2f312f6566666563742d3192a643686172676581a661"
        "6d6f756e74cd03e394ab636c65726b2f6b2f312f31a163a164a174cf0000018bcfe6c7909196b36f72646572732e6465762e"
        "636f6d6d616e647312cf0000018bcfe56804c40200769292a168c4017892a16ec0c3cf0000018bcfe57b8802"
    ),
}


def test_what_is_written_today_is_what_was_written_before() -> None:
    assert orders(3).encode(KEY, ENTRY).hex() == WRITTEN[3]


@pytest.mark.parametrize("version", WRITTEN)
def test_new_code_reads_the_state_of_every_version_before(version: int) -> None:
    assert orders(3).decode(KEY, bytes.fromhex(WRITTEN[version])) == ENTRY


def test_a_key_without_state_needs_no_lifting() -> None:
    @dataclass(frozen=True, slots=True)
    class Before:
        line: str

    def before(state: Before | None, message: ConfirmOrder, at: int) -> Decision[Before]:
        return Decision(state)

    raw = StateCodec(Service(name="orders", state=Before, decide=before)).encode(KEY, Entry(timer=5))
    assert orders(3).decode(KEY, raw) == Entry(timer=5)


def test_an_origin_of_fewer_fields_is_an_older_one() -> None:
    whole = CODEC.encode(KEY, Entry(origin=Meta(messageId="m")))
    raw = whole.replace(b"\x94\xa1m\xc0\xc0\xc0", b"\x91\xa1m")
    assert len(raw) == len(whole) - 3
    assert CODEC.decode(KEY, raw).origin == Meta(messageId="m")


def refused(codec: StateCodec[Any], version: int) -> str:
    with pytest.raises(StateError) as raised:
        codec.decode(KEY, bytes.fromhex(WRITTEN[version]))
    return str(raised.value)


def test_state_of_newer_code_is_refused_with_what_to_do() -> None:
    assert refused(orders(2), 3) == (
        f"orders: the state of {KEY}, of version 3, is newer than this code, which knows versions up to 2; "
        "deploy the code that wrote it, or newer"
    )


def test_state_that_no_upcaster_reads_any_more_is_refused_with_what_to_do() -> None:
    assert refused(orders(3, upcasters={2: cents_had_no_currency}), 1) == (
        f"orders: the state of {KEY}, of version 1, is too old: upcasters begin at 2; "
        "deploy code that has the upcasters before it, first"
    )


def test_an_upcaster_that_fails_is_named_by_what_it_failed_at() -> None:
    codec = orders(3, upcasters={1: cents_had_no_currency, 2: cents_had_no_currency})
    assert refused(codec, 1) == (
        f"orders: the state of {KEY}, of version 1, can't be lifted to 3: KeyError: 'lines'; "
        "mend the upcaster and deploy it"
    )


def test_a_type_that_changed_without_a_version_is_refused_with_the_field() -> None:
    assert "of version 2, can't be read: Object missing required field `total` - at `$[1]`" in refused(orders(2), 2)


def test_an_effect_that_is_not_listed_any_more_is_refused_while_one_is_pending() -> None:
    assert "it waits for the effect Charge, which the service doesn't list any more" in refused(
        orders(3, effects=()), 3
    )


def test_an_entry_of_another_format_is_refused_whether_it_is_read_or_scanned() -> None:
    newer = b"\x02" + bytes.fromhex(WRITTEN[3])[1:]
    for read in (header, lambda raw: orders(3).decode(KEY, raw)):
        for raw in (newer, b"", b"\x01\x00"):
            with pytest.raises(StateError, match="is not of format 1; if newer code wrote it, deploy that code again"):
                read(raw)


@pytest.mark.parametrize("value", [2**70, "\ud800", object(), 1j])
def test_a_value_that_bytes_cannot_carry_is_refused_when_it_is_written(value: Any) -> None:
    assert isinstance(ENTRY.state, Order)
    with pytest.raises(StateError, match=f"orders: the state of {KEY} can't be written: "):
        orders(3).encode(KEY, msgspec.structs.replace(ENTRY, state=replace(ENTRY.state, total=value)))


class Shade(Enum):
    DARK = (0, 0)


@pytest.mark.parametrize(
    "kind",
    [
        Any,
        object,
        Sequence[int],
        int | Any,
        tuple,
        tuple[Any, ...],
        dict[str, list[object]],
        tuple[int, ...] | list[int],
        Attempt | Charge,
        str | bytes,
        CreateOrder | ConfirmOrder,
        Message,
        Record,
        Enum,
        Shade,
        range,
        "Kept | Attempt",
    ],
    ids=str,
)
def test_a_type_that_would_not_come_back_as_it_was_is_refused_with_its_field(kind: Any) -> None:
    @dataclass(frozen=True, slots=True)
    class Inner:
        field: kind

    @dataclass(frozen=True, slots=True)
    class Outer:
        inners: tuple[Inner, ...]

    def keep(state: Outer | None, message: ConfirmOrder, at: int) -> Decision[Outer]:
        return Decision(state)

    with pytest.raises(StateError, match=r"service keep: Outer\.inners\.field"):
        StateCodec(Service(name="keep", state=Outer, decide=keep))


def test_an_effect_that_would_not_come_back_as_it_was_is_refused_with_its_field() -> None:
    @dataclass(frozen=True, slots=True)
    class Anything:
        goes: Any

    with pytest.raises(StateError, match=r"service orders: Anything\.goes is Any"):
        orders(3, effects=(Anything,))
