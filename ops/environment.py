"""One environment on a cluster: its schemas and its topics."""

from collections.abc import Callable

from ops import contract, registration
from schemas.errors import OrderflowError
from streams.topics import TopicAdmin, plan, unequal

Say = Callable[[str], None]


class UnequalError(OrderflowError):
    """Keys would lie on another partition number in one topic than in the next."""


def register(access: dict[str, str], environment: str, say: Say) -> int:
    """Put the contract into the registry; how many schemas were new there."""
    with contract.opened(access) as registry:
        before = registration.register(registry, environment)
    changed = sum(not standing.settled for standing in before)
    say(f"contract  {len(before)} schemas in the registry, {changed} of them new")
    return changed


def create_topics(client: dict[str, str], environment: str, say: Say) -> int:
    """Make the topics of the contract; how many were new."""
    admin = TopicAdmin(client)
    declared = admin.declared(environment)
    changes = plan(declared, admin.find([topic.name for topic in declared]))
    admin.apply(changes, declared)
    names = {topic.name for topic in declared}
    counts = {name: count for name, count in admin.partition_counts().items() if name in names}
    if problem := unequal(counts):
        raise UnequalError(f"topics that share keys must share one partition count: {problem}")
    created = sum(change.action == "create" for change in changes)
    say(f"topics    {len(declared)} as declared, {created} of them new")
    return created
