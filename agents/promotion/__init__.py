"""What a promotion takes off: rules without a state, so no service of their own."""
