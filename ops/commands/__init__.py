"""The verbs of `orderflow`, one module each."""
