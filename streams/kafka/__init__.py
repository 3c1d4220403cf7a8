"""The engine on Kafka: Faust decides who owns what, librdkafka moves the records, one thread a service decides."""
