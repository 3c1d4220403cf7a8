"""The `orderflow` command and what it runs: the local stack, the contract in the registry, topics, the demo."""
