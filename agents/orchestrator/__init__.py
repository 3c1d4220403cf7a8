"""The checkout orchestrator: one saga for each checkout, declared once."""
