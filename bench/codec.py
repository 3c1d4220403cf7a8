"""What the codec costs beside its parts: encode and decode, against bare fastavro and pydantic on the same record.

Rounds alternate between the two, so that a machine that slows down slows both; the median of the rounds' ratios counts.
"""

import argparse
import json
from collections.abc import Callable
from io import BytesIO
from statistics import median
from time import perf_counter

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from schemas.avsc import avro_schema, without
from schemas.message import Meta
from schemas.shopping import CartCheckedOut, CartLine
from streams.codec import NOT_ON_THE_WIRE, Codec
from streams.testing.registry import MemoryRegistry

TARGET = 1.15


def cart() -> CartCheckedOut:
    """Three lines, as in the numbers that the design stands on."""
    ids = [f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "123456"]
    lines = tuple(CartLine(productId=product, quantity=2, unitPrice=1_999) for product in ids[3:])
    return CartCheckedOut(
        eventId=ids[0],
        occurredAt=1_700_000_000_000,
        cartId=ids[1],
        customerId=ids[2],
        items=lines,
        subtotal=11_994,
        total=11_994,
        currency="EUR",
        meta=Meta(messageId="cart-api:1", correlationId="cart-api:1"),
    )


def measure(use: Callable[[], object], calls: int) -> float:
    """Microseconds a call."""
    start = perf_counter()
    for _ in range(calls):
        use()
    return (perf_counter() - start) / calls * 1e6


def compare(ours: Callable[[], object], bare: Callable[[], object], rounds: int, calls: int) -> dict[str, float]:
    pairs = [(measure(ours, calls), measure(bare, calls)) for _ in range(rounds)]
    return {
        "codec_us": round(median(codec for codec, _ in pairs), 3),
        "bare_us": round(median(parts for _, parts in pairs), 3),
        "ratio": round(median(codec / parts for codec, parts in pairs), 3),
    }


def run(rounds: int, calls: int) -> dict[str, dict[str, float]]:
    message, codec = cart(), Codec(MemoryRegistry(), "dev")
    value = codec.encode(message)
    body = value[5:]
    schema = parse_schema(without(avro_schema(CartCheckedOut), NOT_ON_THE_WIRE), {})

    def bare_encode() -> bytes:
        buffer = BytesIO()
        schemaless_writer(buffer, schema, message.model_dump(), disable_tuple_notation=True)
        return buffer.getvalue()

    def bare_decode() -> CartCheckedOut:
        return CartCheckedOut.model_validate(schemaless_reader(BytesIO(body), schema, None))

    assert codec.decode(value) == bare_decode() == message  # noqa: S101 - both must do the same work
    assert value[5:] == bare_encode()  # noqa: S101
    return {
        "encode": compare(lambda: codec.encode(message), bare_encode, rounds, calls),
        "decode": compare(lambda: codec.decode(value), bare_decode, rounds, calls),
        "type_of": {"codec_us": round(measure(lambda: codec.type_of(value), calls), 3)},
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="for machines")
    arguments.add_argument("--rounds", type=int, default=21)
    arguments.add_argument("--calls", type=int, default=5_000, help="per round")
    wanted = arguments.parse_args()
    result = run(wanted.rounds, wanted.calls)
    if wanted.json:
        print(json.dumps(result))
        return
    for name in ("encode", "decode"):
        each = result[name]
        verdict = "ok" if each["ratio"] <= TARGET else f"MORE THAN {TARGET}"
        print(f"{name}: {each['codec_us']} us, bare {each['bare_us']} us, ratio {each['ratio']} ({verdict})")
    print(f"type_of: {result['type_of']['codec_us']} us")


if __name__ == "__main__":
    main()
