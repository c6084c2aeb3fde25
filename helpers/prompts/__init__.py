"""What a model is asked: relations, pairs, questions, skills."""
