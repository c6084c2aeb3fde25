"""What a model is asked: relations, facts, pairs."""
