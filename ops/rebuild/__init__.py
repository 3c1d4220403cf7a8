"""The state of a service, filled anew from its changelog, or folded anew from its inputs (docs/replay.md)."""
