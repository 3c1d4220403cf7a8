"""What the engine is measured beside: the same service, each time on another footing, in a process of its own."""
