"""What SmolLM2-135M knows, its circuits, and what the calls of the library cost on it."""
