"""PostgreSQL: the Order Database, its projectors and the queries over it."""
