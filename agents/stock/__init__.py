"""How many pieces there are of a product."""
