"""Payments: an authorization, its capture, and the way back. Keyed by paymentId, which is the order's id too."""
