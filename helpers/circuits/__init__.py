"""A circuit: its graph, its runs, how good it is."""
