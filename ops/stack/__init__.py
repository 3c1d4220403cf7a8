"""Real Kafka, PostgreSQL and registry on this machine, from PyPI packages alone."""
