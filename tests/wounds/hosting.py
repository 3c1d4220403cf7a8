"""The service of the scenarios with its outside: what `orderflow worker` hosts when they start one."""

import os
from pathlib import Path

from streams.hosting import Hosted
from streams.kafka import watch
from tests.wounds.service import GATE, Authorize, authorize, counter

# So that a scenario needn't wait for the default to pass.
watch.TOPICS_SECONDS = 1.0

hosted = Hosted(counter, perform={Authorize: lambda effect, _: authorize(effect, Path(os.environ[GATE]))})
