"""The AsyncAPI 3.0 document: channels, who sends and receives what on them, keys, headers, examples."""

from collections.abc import Iterable
from typing import Any

import yaml

from schemas.avsc import namespace
from schemas.catalogue import RECORDS
from schemas.examples import example_of
from schemas.message import Message
from schemas.topics import TOPICS, Topic

AVRO = "application/vnd.apache.avro;version=1.9.0"
Document = dict[str, Any]

_ABOUT = """\
Every record is Avro in Confluent's wire format: a zero byte, the schema's id as four big-endian bytes, the body.
Subjects in the registry are <topic>-<record name>. Keys are text, partitioned by murmur2, Java's default.
The optional field `meta` carries message, causation and correlation ids and the W3C traceparent; a record without it
may carry CloudEvents 1.0 headers in binary mode instead.
"""

#: CloudEvents' Kafka binding, binary mode. Read from anyone, written to topics that ask for it.
_HEADERS: Document = {
    "type": "object",
    "properties": {
        name: {"type": "string", "description": description}
        for name, description in {
            "ce_specversion": "CloudEvents version: 1.0.",
            "ce_id": "Unique for this message: what meta.messageId says.",
            "ce_source": "Who sent it.",
            "ce_type": "The full name of the message.",
            "ce_time": "When it was sent, RFC 3339.",
            "ce_subject": "The record's key.",
            "ce_causationid": "What meta.causationId says.",
            "ce_correlationid": "What meta.correlationId says.",
            "traceparent": "W3C trace context.",
        }.items()
    },
}


def document(version: str) -> Document:
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "orderflow", "version": version, "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/avro",
        "channels": {_channel_id(topic): _channel(topic) for topic in TOPICS},
        "operations": dict(_operations()),
        "components": {
            "messages": {message.__name__: _message(message) for message in RECORDS},
            "messageTraits": {"cloudEvents": {"headers": _HEADERS}},
        },
    }


def text(version: str) -> str:
    note = "# Generated from the declarations in schemas/: orderflow schemas generate. Do not edit.\n"
    return note + yaml.safe_dump(document(version), sort_keys=False, allow_unicode=True, width=120)


def _channel_id(topic: Topic) -> str:
    return topic.domain + topic.channel.capitalize()


def _channel(topic: Topic) -> Document:
    return {
        "address": topic.name("{env}"),
        "description": f"Keyed by {topic.key}.",
        "parameters": {"env": {"default": "dev", "description": "The environment: up to 20 of a-z, 0-9 and hyphens."}},
        "messages": {message.__name__: {"$ref": f"#/components/messages/{message.__name__}"} for message in _on(topic)},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "replicas": topic.replication,
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic.compacted else "delete"],
                    "retention.ms": int(topic.retention.total_seconds() * 1000),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _on(topic: Topic) -> list[type[Message]]:
    return [message for message in RECORDS if message.contract.topic == topic]


def _operations() -> Iterable[tuple[str, Document]]:
    """One per service, direction and channel."""
    services = sorted({name for each in RECORDS for name in (*each.contract.producers, *each.contract.consumers)})
    for service in services:
        for topic in TOPICS:
            for action, roles in (("send", "producers"), ("receive", "consumers")):
                messages = [each for each in _on(topic) if service in getattr(each.contract, roles)]
                if messages:
                    channel = f"#/channels/{_channel_id(topic)}"
                    yield (
                        f"{service}.{action}.{_channel_id(topic)}",
                        {
                            "action": action,
                            "title": f"{service} {action}s on {topic.name('<env>')}",
                            "channel": {"$ref": channel},
                            "tags": [{"name": service}],
                            "messages": [{"$ref": f"{channel}/messages/{each.__name__}"} for each in messages],
                        },
                    )


def _message(message: type[Message]) -> Document:
    contract = message.contract
    key = "The record's key alone holds it." if contract.key is None else f"The field {contract.key}."
    return {
        "name": message.__name__,
        "title": f"{message.__name__} {contract.version}",
        "summary": " ".join((message.__doc__ or "").split()),
        "contentType": "application/avro",
        "correlationId": {"location": "$message.payload#/meta/correlationId"},
        "tags": [{"name": message.kind}],
        "payload": {
            "schemaFormat": AVRO,
            "schema": {"$ref": f"./avro/{namespace(message).removeprefix('orderflow.')}/{message.__name__}.avsc"},
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "format": "uuid", "description": key},
                "bindingVersion": "0.5.0",
            }
        },
        "traits": [{"$ref": "#/components/messageTraits/cloudEvents"}],
        "examples": [{"name": "example", "payload": example_of(message).model_dump(mode="json", exclude_none=True)}],
    }
