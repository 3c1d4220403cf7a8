"""The engine on Kafka: Faust as control plane, librdkafka as data plane."""
