"""Where a fact is kept depends on how it was told: the same facts told in two ways, and what moved with it."""
