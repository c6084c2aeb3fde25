"""Settings for every test run: no window for plots, and no trace of a book build in the environment."""

import os

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.pop("BOOK_BUILD", None)
