"""Every message of the contract, with arbitrary valid values."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.avsc import fullname
from schemas.catalogue import RECORDS
from schemas.message import Message
from streams.codec import Codec, Undecodable
from streams.testing.registry import MemoryRegistry
from tests.streams.arbitrary import records

CODEC = Codec(MemoryRegistry(), "dev")
#: Broad and shallow: 65 messages share the time of one test.
shallow = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("of", RECORDS, ids=fullname)
@shallow
@given(data=st.data())
def test_every_message_reads_back_as_it_was_written(of: type[Message], data: st.DataObject) -> None:
    message = data.draw(records(of))
    assert isinstance(message, of)
    assert CODEC.decode(CODEC.encode(message)) == message


@settings(deadline=None)
@given(data=st.data(), of=st.sampled_from(RECORDS))
def test_no_damage_to_a_record_ever_raises(of: type[Message], data: st.DataObject) -> None:
    message = data.draw(records(of))
    assert isinstance(message, of)
    value = bytearray(CODEC.encode(message))
    value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(value)))
    assert isinstance(CODEC.decode(bytes(value)), (Undecodable, Message))
    assert isinstance(CODEC.decode(bytes(value[:end])), (Undecodable, Message))
