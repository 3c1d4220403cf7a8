"""Records published again: marked, so that nobody decides on them twice (docs/replay.md)."""
