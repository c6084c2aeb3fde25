"""What builds the book around its chapters; never installed."""
