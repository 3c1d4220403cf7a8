"""Orders: an order's life, from placed or created to completed or cancelled. Keyed by orderId."""
