"""Records of a service's own topic through bytes and back; none of them ever raises when it is read."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.orders import ConfirmOrder
from schemas.payments import AuthorizePayment, PaymentFailureReason
from streams.codec import Reason, Undecodable
from streams.decision import Decision, Performed, Wake
from streams.own import OwnCodec, OwnError
from streams.service import Service
from tests.streams.arbitrary import records


@dataclass(frozen=True, slots=True)
class Charged:
    reference: str
    request: AuthorizePayment


@dataclass(frozen=True, slots=True)
class Refused:
    reason: PaymentFailureReason


def decide(
    state: int | None, message: ConfirmOrder | Wake | Performed[Charged | Refused | int | None], at: int
) -> Decision[int]:
    return Decision(state)


CODEC = OwnCodec(Service(name="payments", state=int, decide=decide))

long = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
outcomes = (
    st.builds(Charged, texts, records(AuthorizePayment))
    | st.builds(Refused, st.sampled_from(PaymentFailureReason))
    | long
    | st.none()
)
messages: st.SearchStrategy[Wake | Performed[Any]] = st.builds(Wake, long) | st.builds(Performed, texts, outcomes)

REFUSED = Performed("payments/k/1/effect-1", Refused(PaymentFailureReason.EXPIRED_CARD))
#: As the first release of this format wrote them. Never to be changed: such bytes lie in topics.
WRITTEN: dict[str, Wake | Performed[Any]] = {
    "92a477616b65cf0000018bcfe56800": Wake(1_700_000_000_000),
    "94a9706572666f726d6564b57061796d656e74732f6b2f312f6566666563742d31a75265667573656481a6726561736f6eac455850"
    "495245445f43415244": REFUSED,
    "94a9706572666f726d6564a165a84e6f6e6554797065c0": Performed("e", None),
}


@given(message=messages)
def test_a_message_reads_back_as_it_was_written(message: Wake | Performed[Any]) -> None:
    assert CODEC.decode(CODEC.encode(message)) == message


def test_what_is_written_today_is_what_was_written_before() -> None:
    for written, message in WRITTEN.items():
        assert CODEC.encode(message).hex() == written
        assert CODEC.decode(bytes.fromhex(written)) == message


@given(message=messages, data=st.data())
def test_no_damage_ever_raises(message: Wake | Performed[Any], data: st.DataObject) -> None:
    raw = bytearray(CODEC.encode(message))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    for damaged in (raw, raw[: data.draw(st.integers(0, len(raw)))]):
        assert isinstance(CODEC.decode(bytes(damaged)), (Wake, Performed, Undecodable))


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (None, Reason.NO_VALUE, "a tombstone is neither a deadline nor an outcome"),
        (b"", Reason.UNREADABLE, "a record of payments to itself: Input data was truncated"),
        (b"\x92\xa5other\x01", Reason.UNREADABLE, "a record of payments to itself: Invalid value 'other'"),
        (b"\x94\xa9performed\xa1i\xa4Gone\x80", Reason.INVALID, "payments takes no outcome Gone"),
        (b"\x94\xa9performed\xa1i\xa7Refused\x80", Reason.UNREADABLE, "missing required field `reason`"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_a_value_that_says_why(value: bytes | None, reason: Reason, detail: str) -> None:
    unread = CODEC.decode(value)
    assert isinstance(unread, Undecodable)
    assert unread.reason is reason
    assert detail in unread.detail


def test_an_outcome_that_the_decider_does_not_take_is_refused_before_it_is_written() -> None:
    with pytest.raises(OwnError) as raised:
        CODEC.encode(Performed("payments/k/1/effect-1", "done"))
    assert str(raised.value) == (
        "payments/k/1/effect-1: its performer returned 'done', but the decider of payments takes "
        "Performed[Charged | Refused | int | NoneType]; let one of them change"
    )


def test_an_outcome_that_bytes_cannot_carry_is_refused_with_the_effect() -> None:
    with pytest.raises(OwnError, match="payments/k/1/effect-1: its outcome can't be written: "):
        CODEC.encode(Performed("payments/k/1/effect-1", 2**70))


def test_a_type_of_outcome_that_would_not_come_back_as_it_was_is_refused_with_its_field() -> None:
    @dataclass(frozen=True, slots=True)
    class Answer:
        body: Any

    def loose(state: int | None, message: ConfirmOrder | Performed[Answer], at: int) -> Decision[int]:
        return Decision(state)

    with pytest.raises(OwnError, match=r"service loose: Answer\.body is Any"):
        OwnCodec(Service(name="loose", state=int, decide=loose))
