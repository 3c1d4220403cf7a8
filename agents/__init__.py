"""One package per service of the catalogue: state.py, decider.py, service.py. Pure; no I/O."""
