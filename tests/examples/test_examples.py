"""Two languages that share no code publish and read the same topics."""

import pytest

from schemas.avsc import avro_schema
from schemas.shopping import CartCheckedOut, RemoveItemFromCart
from streams.codec import Codec
from streams.partitioner import partition_of
from tests.examples.conftest import PARTITIONS, Language, Stranger, cart_ids

# The first of them on a bare machine waits for the stack's and npm's downloads.
pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]

LANGUAGES: tuple[Language, ...] = ("python", "node")
CART, OTHER_CART = cart_ids(2)
NOBODYS_SCHEMA = b"\x00\x7f\xff\xff\xff\x00"


CURRENT = avro_schema(CartCheckedOut)
OLDER = CURRENT | {"fields": [field for field in CURRENT["fields"] if field["name"] not in {"discount", "meta"}]}
NEWER = CURRENT | {"fields": [*CURRENT["fields"], {"name": "channel", "type": ["null", "string"], "default": None}]}


@pytest.mark.parametrize("producer", LANGUAGES)
def test_what_one_language_publishes_all_read_and_it_lies_where_the_key_belongs(
    stranger: Stranger, producer: Language
) -> None:
    ids = cart_ids(20)
    delivered = stranger.produce(producer, ids)
    assert {each["key"]: each["partition"] for each in delivered} == {
        cart: partition_of(cart.encode(), PARTITIONS) for cart in ids
    }
    by_python, by_node = ({each["cart"]["cartId"]: each for each in stranger.consume(one, 20)} for one in LANGUAGES)
    assert by_python == by_node
    assert sorted(by_python) == sorted(ids)
    for each in delivered:
        assert by_python[each["key"]]["offset"] == each["offset"]


@pytest.mark.parametrize("consumer", LANGUAGES)
def test_a_cart_of_an_older_producer_is_read(stranger: Stranger, consumer: Language) -> None:
    stranger.register(CartCheckedOut, OLDER)
    stranger.produce("node", [CART])  # it writes with the newest version that it finds
    (read,) = stranger.consume(consumer, 1)
    assert (read["cart"]["total"], read["cart"].get("discount"), read["cart"].get("meta")) == (2500, None, None)


@pytest.mark.parametrize("consumer", LANGUAGES)
def test_a_cart_of_a_newer_producer_is_read(stranger: Stranger, consumer: Language) -> None:
    stranger.register(CartCheckedOut, NEWER)
    stranger.produce("node", [CART])
    (read,) = stranger.consume(consumer, 1)
    assert (read["cart"]["total"], read["cart"].get("channel")) == (2500, None)


@pytest.mark.parametrize("consumer", LANGUAGES)
def test_what_can_not_be_read_is_said_and_skipped_and_other_types_are_left_alone(
    stranger: Stranger, consumer: Language
) -> None:
    other_type = Codec(stranger.registry, stranger.environment).encode(RemoveItemFromCart(cartId=CART, productId=CART))
    stranger.publish(CART, b"junk", None, NOBODYS_SCHEMA, other_type)
    stranger.produce("python", [CART])
    done = stranger.run(consumer, "consume", "1")
    assert done.returncode == 0, done.stderr
    assert f'"cartId":"{CART}"' in done.stdout.replace(" ", "")
    place = f"{stranger.topic}-{partition_of(CART.encode(), PARTITIONS)}"
    assert [line.split(" skipped: ")[0] for line in done.stderr.splitlines()] == [f"{place}@{i}" for i in range(3)]


@pytest.mark.parametrize("consumer", LANGUAGES)
def test_a_consumer_started_again_goes_on_where_it_stopped(stranger: Stranger, consumer: Language) -> None:
    stranger.produce("python", [CART])
    assert len(stranger.consume(consumer, 1)) == 1
    stranger.produce("python", [OTHER_CART])
    (read,) = stranger.consume(consumer, 1)
    assert read["cart"]["cartId"] == OTHER_CART


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_example_says_how_it_is_used(stranger: Stranger, language: Language) -> None:
    for script, wrong in (("produce", ()), ("consume", ("many",))):
        done = stranger.run(language, script, *wrong)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{script}." in done.stderr
        assert "usage: " in done.stderr
