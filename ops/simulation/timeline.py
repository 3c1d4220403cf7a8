"""What happened to one key, in the order in which it happened."""

from collections.abc import Iterator

from ops.simulation.trial import BEGINS_AT, Course
from schemas.message import Message
from streams.memory.log import Logged

_SECOND = 1_000


def timeline(course: Course, key: str) -> Iterator[str]:
    """Every record that names the key, at its first publication, and the dead letters among them."""
    about = [record for record in course.records if _names(record, key)]
    causes = {_id(record): _cause(record) for record in about}
    first = {_id(record): record for record in reversed(about)}.values()
    for record in sorted(first, key=lambda record: (record.at, _depth(_id(record), causes))):
        yield f"{(record.at - BEGINS_AT) / _SECOND:>9.3f} s  {_text(record)}"
    for letter in course.dead_letters:
        if _names(letter.record, key):
            yield f"refused by {letter.service}: {letter.refusal.cause}"


def _names(record: Logged, key: str) -> bool:
    return isinstance(record.message, Message) and (record.key == key or key in record.message.model_dump_json())


def _id(record: Logged) -> str:
    meta = getattr(record.message, "meta", None)
    return meta.messageId if meta else str(id(record))


def _cause(record: Logged) -> str | None:
    meta = getattr(record.message, "meta", None)
    return meta.causationId if meta else None


def _depth(message_id: str, causes: dict[str, str | None]) -> int:
    """Of what has the same time the cause comes first."""
    depth = 0
    cause = causes.get(message_id)
    while cause is not None:
        depth, cause = depth + 1, causes.get(cause)
    return depth


def _text(record: Logged) -> str:
    assert isinstance(record.message, Message)  # noqa: S101 - others have no key to be asked for
    fields = record.message.model_dump(mode="json", exclude={"meta"}, exclude_none=True)
    told = ", ".join(f"{name}={value}" for name, value in fields.items())
    return f"{type(record.message).__name__}({told})"
