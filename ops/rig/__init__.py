"""What demo and bench stand on: a clean slate, processes like those that an operator starts, a producer."""
