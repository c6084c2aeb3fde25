"""Chapter 1: what a model knows, and where an answer is on its way through the layers."""
