"""What builds the book around its chapters; never installed."""


class ToolError(ValueError):
    """Something can't be made; the message says in a sentence why, or what to do."""
