"""The twin: the same declarations on an in-memory partitioned log, under a virtual clock and a seeded scheduler."""
