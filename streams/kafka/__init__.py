"""The engine on Kafka: Faust as its control plane, librdkafka as its data plane."""
