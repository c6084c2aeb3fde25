"""The chapter on graph construction: many single cuts at once, a walk along them, and its drawings."""
