"""The checkout API: one live checkout of a cart, of carts that add up."""
