"""Where a worker of the bench finds Kafka and the registry: in the same variables as `orderflow worker` does."""

from dataclasses import dataclass

from bench.counting import counter
from ops.settings import load
from schemas.orders import OrderConfirmed
from streams.codec import Codec
from streams.confluent import ConfluentRegistry


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that differs from one run to the next."""

    kafka: str
    application: str
    commands: str
    events: str
    codec: Codec


def surroundings() -> Surroundings:
    settings = load()
    if settings.kafka_bootstrap is None or settings.registry_url is None:
        raise SystemExit("a worker of the bench is started by `python -m bench.engine`")
    sent = OrderConfirmed.contract.topic
    assert sent is not None  # noqa: S101 - an event travels on a topic
    return Surroundings(
        kafka=settings.kafka_bootstrap,
        application=f"{counter.name}.{settings.environment}",
        commands=counter.topics[0].name(settings.environment),
        events=sent.name(settings.environment),
        codec=Codec(ConfluentRegistry(settings.registry_client(settings.registry_url)), settings.environment),
    )
