"""Publish one checked-out cart for each id. The same id again is the same fact again, under the same eventId.

usage: python examples/python/produce.py CART_ID...

Reads ORDERFLOW_KAFKA_BOOTSTRAP, ORDERFLOW_REGISTRY_URL and ORDERFLOW_ENVIRONMENT; the defaults are the local stack's.
"""

import json
import os
import sys
import time
import uuid

from confluent_kafka import KafkaError, Message, Producer

from schemas.message import Meta
from schemas.shopping import CartCheckedOut, CartLine
from streams.codec import Codec
from streams.confluent import ConfluentRegistry

BOOTSTRAP = os.environ.get("ORDERFLOW_KAFKA_BOOTSTRAP", "127.0.0.1:9092")
REGISTRY = os.environ.get("ORDERFLOW_REGISTRY_URL", "http://127.0.0.1:8081/apis/ccompat/v7")
ENVIRONMENT = os.environ.get("ORDERFLOW_ENVIRONMENT", "dev")


def checked_out(cart_id: str) -> CartCheckedOut:
    # Derived, not drawn: who repeats a message must repeat its ids.
    event_id = str(uuid.uuid5(uuid.UUID(cart_id), "checked out"))
    product, customer = (str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in ("product", "customer"))
    return CartCheckedOut(
        eventId=event_id,
        occurredAt=time.time_ns() // 1_000_000,
        cartId=cart_id,
        customerId=customer,
        items=(CartLine(productId=product, quantity=2, unitPrice=1_250),),
        subtotal=2_500,
        total=2_500,
        currency="EUR",
        meta=Meta(messageId=event_id),
    )


def report(error: KafkaError | None, record: Message) -> None:
    if error is not None:
        sys.exit(f"{record.key()!r} was not delivered: {error}")
    key = (record.key() or b"").decode()
    print(json.dumps({"key": key, "partition": record.partition(), "offset": record.offset()}))


def main() -> None:
    cart_ids = sys.argv[1:]
    if not cart_ids:
        sys.exit(__doc__)
    codec = Codec(ConfluentRegistry({"url": REGISTRY}), ENVIRONMENT)
    topic = f"carts.{ENVIRONMENT}.events"
    producer = Producer(
        {
            "bootstrap.servers": BOOTSTRAP,
            # Without this line librdkafka hashes keys by CRC32, and the record lies where nobody looks for it.
            "partitioner": "murmur2_random",
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
        }
    )
    for cart_id in cart_ids:
        cart = checked_out(cart_id)
        producer.produce(topic, key=cart_id, value=codec.encode(cart), on_delivery=report)
    if (waiting := producer.flush(30)) > 0:
        sys.exit(f"{waiting} records were not delivered within 30 s; is Kafka at {BOOTSTRAP}?")


if __name__ == "__main__":
    main()
