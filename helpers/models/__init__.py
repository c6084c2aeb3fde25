"""A model: opened, taken apart, run, asked."""
