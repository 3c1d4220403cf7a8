"""The contract: every message, topic and key of the business. Knows nothing of Kafka or Faust."""
