"""A record travels from one process to another by nothing but its bytes and the registry."""

from schemas.message import Meta
from schemas.payments import PaymentFailed, PaymentFailureReason
from streams.codec import Codec, Reason, Undecodable
from tests.contract.conftest import Open

PAYMENT = "11111111-1111-4111-8111-111111111111"


def test_a_reader_elsewhere_finds_the_schema_of_a_record(opened: Open, unique: str) -> None:
    registry = opened(True)
    message = PaymentFailed(
        paymentId=PAYMENT,
        orderId=PAYMENT,
        reason=PaymentFailureReason.FRAUD_SUSPECTED,
        failedAt=1,
        meta=Meta(messageId="payments:1"),
    )
    value = Codec(registry, unique).encode(message)
    assert Codec(registry, "elsewhere").decode(value) == message


def test_an_id_that_nobody_gave_is_said_to_be_unknown(opened: Open) -> None:
    read = Codec(opened(False), "dev").decode(b"\0\x77\0\0\0body")
    assert isinstance(read, Undecodable)
    assert read.reason == Reason.UNKNOWN_SCHEMA
