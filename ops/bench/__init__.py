"""What the pipeline costs, measured on the real parts."""
