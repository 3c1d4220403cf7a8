"""Reservations: all that a checkout needs, or none of it."""
