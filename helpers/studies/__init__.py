"""The book's own experiments: one folder a chapter."""
