"""Locate and edit: where a fact is, and how to change it."""
