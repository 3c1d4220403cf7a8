"""A cart: filled, priced from the list, handed over to be paid."""
