"""Consumer groups seen from outside: who is in them, how far they are, and how they are set back."""

from collections.abc import Mapping

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from ops.reading import Part
from schemas.errors import OrderflowError

#: Every answer of the broker is waited for this long.
ANSWER_SECONDS = 15.0

Offsets = dict[Part, int]


class GroupError(OrderflowError):
    """A group is not as it has to be, or Kafka doesn't say how it is."""


class Groups:
    """Of one cluster."""

    def __init__(self, client: Mapping[str, str]) -> None:
        self._admin = AdminClient({**client, "log_level": 0})

    def check_empty(self, group: str) -> None:
        """Raises GroupError where somebody is in it."""
        try:
            asked = self._admin.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS)
            found = asked[group].result(ANSWER_SECONDS)
        except (KafkaException, TimeoutError) as error:
            raise GroupError(f"Kafka doesn't say who is in the group {group}; try again") from error
        if found.state not in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
            members = ", ".join(sorted({f"{each.client_id} at {each.host}" for each in found.members}))
            raise GroupError(
                f"the group {group} is at work ({members or found.state.name}): stop its members, and wait until their "
                "session is over if they were killed"
            )

    def committed(self, group: str, topic: str) -> Offsets:
        """What it has committed of the topic; nothing of a partition that it has not read."""
        try:
            asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
            places = asked[group].result(ANSWER_SECONDS).topic_partitions
        except (KafkaException, TimeoutError) as error:
            raise GroupError(f"Kafka doesn't say how far the group {group} is; try again") from error
        return {Part(topic, each.partition): each.offset for each in places if each.topic == topic and each.offset >= 0}

    def set(self, group: str, offsets: Offsets) -> None:
        places = [TopicPartition(*part, offset) for part, offset in offsets.items()]
        try:
            asked = self._admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
            answered = asked[group].result(ANSWER_SECONDS).topic_partitions
        except (KafkaException, TimeoutError) as error:
            # Also where somebody has joined since we looked: then the broker refuses.
            raise GroupError(f"the offsets of {group} could not be set; is it still empty?") from error
        if refused := [each for each in answered if each.error is not None]:
            raise GroupError(f"the offsets of {group} could not be set: {refused[0].error}")


def earlier(group: str, committed: Offsets, wanted: Offsets) -> Offsets:
    """Where it has to go back to. Raises GroupError where it would leave records out instead."""
    if not committed:
        raise GroupError(f"the group {group} has read nothing of that topic: is its name right?")
    if ahead := sorted(part for part in wanted.keys() & committed if wanted[part] > committed[part]):
        part = ahead[0]
        raise GroupError(
            f"the group {group} has read {part.topic}[{part.partition}] up to {committed[part]}: to go on from "
            f"{wanted[part]} would leave records out, and a replay goes back only"
        )
    return {part: wanted[part] for part in wanted.keys() & committed}
