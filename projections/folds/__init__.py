"""Each read model a second time: whole objects, event by event, in memory.

It exists to find the mistakes of the tables, so it shares no code with what fills them (docs/order-database.md).
"""
