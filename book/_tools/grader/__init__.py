"""Points for the exercises that students have filled in."""
