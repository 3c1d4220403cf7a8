from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.message import Meta
from schemas.payments import PaymentFailed, PaymentFailureReason
from streams.cloudevents import Headers, headers_of, with_meta

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
META = Meta(messageId="payments:7", causationId="cart:1", correlationId="cart:0", traceparent=TRACE)


def failed(meta: Meta | None = None) -> PaymentFailed:
    payment = "11111111-1111-4111-8111-111111111111"
    reason = PaymentFailureReason.EXPIRED_CARD
    return PaymentFailed(paymentId=payment, orderId=payment, reason=reason, failedAt=0, meta=meta)


def received(headers: Headers | None) -> Meta | None:
    return with_meta(failed(), lambda: headers, "payments.dev.events", 3, 42).meta


def test_headers_are_not_even_read_where_the_value_has_meta() -> None:
    def unread() -> NoReturn:
        raise AssertionError

    message = failed(META)
    assert with_meta(message, unread, "payments.dev.events", 3, 42) is message


@pytest.mark.parametrize("headers", [None, [], [("content-type", b"application/avro")], [("ce_id", None)]])
def test_a_record_without_any_envelope_is_named_by_its_place(headers: Headers | None) -> None:
    assert received(headers) == Meta(messageId="payments.dev.events-3-42")


def test_cloudevents_headers_give_the_meta() -> None:
    assert received(headers_of(failed(META), "/orderflow/payments", 0)) == META


def test_the_trace_of_the_last_hop_wins() -> None:
    hop = TRACE.replace("-00f0", "-ffff")
    meta = received([("ce_id", b"a"), ("ce_traceparent", TRACE.encode()), ("traceparent", hop.encode())])
    assert meta == Meta(messageId="a", traceparent=hop)


def test_everything_but_the_envelope_stays_as_it_was() -> None:
    assert with_meta(failed(), lambda: None, "t", 0, 0).model_copy(update={"meta": None}) == failed()


@given(headers=st.lists(st.tuples(st.sampled_from(["ce_id", "ce_type", "traceparent", "x"]), st.none() | st.binary())))
def test_no_header_can_break_the_envelope(headers: list[tuple[str, bytes | None]]) -> None:
    meta = received(headers)
    assert meta is not None
    assert meta.messageId


def test_headers_follow_the_binding_for_kafka_in_binary_mode() -> None:
    assert headers_of(failed(META), "/orderflow/payments", 1_700_000_000_123) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"payments:7"),
        ("ce_source", b"/orderflow/payments"),
        ("ce_type", b"orderflow.payments.PaymentFailed"),
        ("ce_time", b"2023-11-14T22:13:20.123Z"),
        ("ce_subject", b"11111111-1111-4111-8111-111111111111"),
        ("ce_causationid", b"cart:1"),
        ("ce_correlationid", b"cart:0"),
        ("ce_traceparent", TRACE.encode()),
        ("content-type", b"application/avro"),
    ]


def test_a_message_without_meta_has_no_headers() -> None:
    with pytest.raises(ValueError, match="has no meta"):
        headers_of(failed(), "/orderflow/payments", 0)
