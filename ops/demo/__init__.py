"""Place an Order, live: carts and whatever else comes in, through real parts, before your eyes."""
