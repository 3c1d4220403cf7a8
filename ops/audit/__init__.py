"""The audit: whether an order or a cent was lost."""

from ops.audit.audit import violations
from ops.audit.violation import Rule, Violation

__all__ = ["Rule", "Violation", "violations"]
