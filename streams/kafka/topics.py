"""The topics that belong to a service rather than to the contract, and the names that they share with its group."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from schemas.topics import COMMANDS_STAY, EVENTS_STAY, ORDERS_EVENTS
from streams.service import Service
from streams.topics import Wanted, wanted

#: How long a changelog keeps every record of a key: what a decision owes stands in its own record alone, and a late
#: record of a worker that lost its partition must be found beside the one it would hide.
COMPACTION_LAG_MS = 60 * 60 * 1_000
#: Bytes of a record of a changelog or of dead letters: a dead letter is larger than the largest record that any other
#: topic takes, and the state of a key stands beside what it owes.
LARGEST_INTERNAL = 4 * 2**20


def group_of(service: str, environment: str) -> str:
    """The consumer group, which is the Faust app's id, too."""
    return f"{service}.{environment}"


def changelog_of(service: str, environment: str) -> str:
    """As Faust names the changelog of the table `state` of that app."""
    return f"{group_of(service, environment)}-state-changelog"


def own_topic_of(service: str, environment: str) -> str:
    """Where a service hears of its own deadlines and effects."""
    return f"{group_of(service, environment)}.own"


def dead_letters_of(service: str, environment: str) -> str:
    return f"{group_of(service, environment)}.dlq"


def internal_topics(service: Service[Any, Any], environment: str, *, brokers: int) -> list[Wanted]:
    """Fitted to its inputs: as many partitions, so that a key has one number everywhere, and as many copies."""
    like = wanted(service.topics[0], environment, brokers=brokers)
    in_sync = {"min.insync.replicas": like.config["min.insync.replicas"]}
    large = {"max.message.bytes": str(LARGEST_INTERNAL)}
    compacted = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(COMPACTION_LAG_MS)}
    return [
        replace(like, name=changelog_of(service.name, environment), config=compacted | large | in_sync),
        replace(like, name=own_topic_of(service.name, environment), config=_kept(COMMANDS_STAY) | in_sync),
        dead_letters_topic(service.name, environment, like),
    ]


def dead_letters_topic(service: str, environment: str, like: Wanted) -> Wanted:
    """Nobody has settled these: what is deleted here is lost, so they stay as long as anything does."""
    config = {"max.message.bytes": str(LARGEST_INTERNAL), "min.insync.replicas": like.config["min.insync.replicas"]}
    return replace(like, name=dead_letters_of(service, environment), config=_kept(EVENTS_STAY) | config)


def _kept(stay: timedelta) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(int(stay.total_seconds() * 1000))}


def replays_of(environment: str) -> str:
    """Where it is written down who published records again."""
    return f"replays.{environment}.audit"


def replays_topic(environment: str, *, brokers: int) -> Wanted:
    """One partition: it is read whole, and by nobody in a hurry."""
    like = wanted(ORDERS_EVENTS, environment, brokers=brokers)
    in_sync = {"min.insync.replicas": like.config["min.insync.replicas"]}
    return replace(like, name=replays_of(environment), partitions=1, config=_kept(EVENTS_STAY) | in_sync)
