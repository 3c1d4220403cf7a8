"""The engine: from declarations to Kafka. Knows nothing of orders."""
