"""Read checked-out carts from the beginning, then wait for more. Started again, it goes on where it stopped.

usage: python examples/python/consume.py [COUNT]

COUNT: stop after so many carts. Reads ORDERFLOW_KAFKA_BOOTSTRAP, ORDERFLOW_REGISTRY_URL and ORDERFLOW_ENVIRONMENT;
the defaults are the local stack's.
"""

import json
import os
import sys
from contextlib import closing, suppress

from confluent_kafka import Consumer, Message

from schemas.shopping import CartCheckedOut
from streams.codec import Codec, Undecodable
from streams.confluent import ConfluentRegistry

BOOTSTRAP = os.environ.get("ORDERFLOW_KAFKA_BOOTSTRAP", "127.0.0.1:9092")
REGISTRY = os.environ.get("ORDERFLOW_REGISTRY_URL", "http://127.0.0.1:8081/apis/ccompat/v7")
ENVIRONMENT = os.environ.get("ORDERFLOW_ENVIRONMENT", "dev")


def show(record: Message, codec: Codec) -> int:
    """Print a cart; 1 if it was one."""
    # A registry that is away raises here, and the record is read again after a restart: it is not at fault.
    match codec.decode(record.value()):
        case CartCheckedOut() as cart:
            place = {"partition": record.partition(), "offset": record.offset()}
            print(json.dumps(place | {"cart": cart.model_dump()}), flush=True)
            return 1
        case Undecodable() as bad:
            # A type that is newer than this program, or a damaged record: say it and go on.
            print(f"{record.topic()}-{record.partition()}@{record.offset()} skipped: {bad}", file=sys.stderr)
    return 0  # also for the other types of the topic: this program wants one of them


def main() -> None:
    match sys.argv[1:]:
        case []:
            wanted = None
        case [count] if count.isdecimal():
            wanted = int(count)
        case _:
            sys.exit(__doc__)
    codec = Codec(ConfluentRegistry({"url": REGISTRY}), ENVIRONMENT)
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": f"example-python-{ENVIRONMENT}",
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
        }
    )
    consumer.subscribe([f"carts.{ENVIRONMENT}.events"])
    shown = 0
    with closing(consumer), suppress(KeyboardInterrupt):
        while shown != wanted:
            record = consumer.poll(1)
            if record is None:
                continue
            if error := record.error():
                sys.exit(f"Kafka at {BOOTSTRAP}: {error}")
            shown += show(record, codec)
            # Only now is it read: a crash before this line repeats the record instead of losing it.
            consumer.store_offsets(record)


if __name__ == "__main__":
    main()
