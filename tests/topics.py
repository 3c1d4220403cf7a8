"""Topics made by hand on the shared broker, as an operator with Kafka's own tools would."""

from collections.abc import Iterable
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from ops.stack.waiting import wait_until
from streams.topics import TopicAdmin

SECONDS = 30


def make(bootstrap: str, name: str, *, partitions: int) -> None:
    client = AdminClient({"bootstrap.servers": bootstrap})
    _done(client.create_topics([NewTopic(name, partitions, 1)]).values())
    # The controller has it, the broker hears of it a moment later.
    assert wait_until(lambda: name in admin(bootstrap).partition_counts(), seconds=SECONDS)


def alter(bootstrap: str, name: str, setting: str, value: str) -> None:
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    client = AdminClient({"bootstrap.servers": bootstrap})

    def altered() -> bool:
        try:
            _done(client.incremental_alter_configs([resource]).values())
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:  # a broker hears of a new topic a moment later
                raise
            return False
        return True

    assert wait_until(altered, seconds=SECONDS)
    assert wait_until(lambda: setting_of(bootstrap, name, setting) == value, seconds=SECONDS)


def setting_of(bootstrap: str, name: str, setting: str) -> str:
    return admin(bootstrap).find([name])[name].config[setting]


def admin(bootstrap: str) -> TopicAdmin:
    return TopicAdmin({"bootstrap.servers": bootstrap})


def _done(futures: "Iterable[Future[None]]") -> None:
    for future in futures:
        future.result(SECONDS)
