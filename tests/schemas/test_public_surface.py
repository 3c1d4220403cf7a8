import subprocess
import sys

import schemas
from schemas import Command, Event, Message, Query
from schemas.catalogue import MESSAGES


def test_the_public_surface_is_this_and_no_more() -> None:
    assert schemas.__all__ == ["Command", "Event", "Message", "Meta", "Query"]
    assert all(hasattr(schemas, name) for name in schemas.__all__)
    assert not hasattr(schemas, "Record")


def test_every_message_is_one_of_the_public_kinds() -> None:
    assert all(issubclass(message, (Command, Event, Query)) and issubclass(message, Message) for message in MESSAGES)


def test_a_topic_is_named_without_the_cost_of_messages() -> None:
    command = "import schemas.topics, sys; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
