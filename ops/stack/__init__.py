"""Real Kafka, PostgreSQL and registry on this machine, from PyPI packages alone.

addresses = Stack(Settings()).up()
"""

from ops.stack.extra import require_local

require_local()

from ops.stack.stack import Addresses, Stack  # noqa: E402 -- what it imports may be missing, which is said above

__all__ = ["Addresses", "Stack"]
