"""Stand-ins that live in memory: they keep the same contracts as what they stand for (tests/contract)."""
