import pytest

from ops.stack import Addresses
from streams.producer import DeliveryError, Outgoing, deliver
from streams.topics import TopicAdmin, Wanted, plan

pytestmark = pytest.mark.connected


@pytest.fixture
def topic(stack: Addresses, unique: str) -> str:
    """One that takes small records only."""
    wanted = Wanted(unique, 1, 1, {"max.message.bytes": "500"})
    TopicAdmin({"bootstrap.servers": stack.kafka}).apply(plan([wanted], {}), [wanted])
    return unique


def test_records_arrive_in_order_and_their_places_are_told(stack: Addresses, topic: str) -> None:
    places = deliver({"bootstrap.servers": stack.kafka}, [Outgoing(topic, "key", b"1"), Outgoing(topic, "key", b"2")])
    assert places == [(0, 0), (0, 1)]


def test_a_record_that_the_broker_refuses_is_an_error_and_not_a_line_in_a_log(stack: Addresses, topic: str) -> None:
    large = b"".join(number.to_bytes(4, "big") for number in range(500))  # nothing to compress
    with pytest.raises(DeliveryError, match=f"{topic}: Broker: Message size too large"):
        deliver({"bootstrap.servers": stack.kafka}, [Outgoing(topic, "key", b"1"), Outgoing(topic, "key", large)])


def test_a_record_that_the_client_refuses_is_the_same_error(stack: Addresses, topic: str) -> None:
    with pytest.raises(DeliveryError, match=topic):
        deliver({"bootstrap.servers": stack.kafka}, [Outgoing(topic, "key", b"0" * 2_000_000)])
