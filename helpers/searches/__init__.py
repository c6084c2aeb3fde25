"""Ways to find a circuit: one algorithm a file; none knows another."""
