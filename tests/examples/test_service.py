"""The service of docs/adding-a-service.md, tested by its own tests as its reader would test it."""

from examples.python.test_patience import *  # noqa: F403
