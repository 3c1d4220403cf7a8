"""A simulated payment gateway: outside of the pipeline, with a ledger of its own, and as unreliable as asked."""
