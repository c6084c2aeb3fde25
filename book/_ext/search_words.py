"""The search index without bare numbers: thousands of them stand in tables, and every page loads the index."""

import re

from sphinx.search.en import SearchEnglish

YEAR = re.compile(r"(19|20)\d\d")


class WordsAndYears(SearchEnglish):
    """English words, and of numbers only years."""

    def word_filter(self, word):
        """Return whether a word can be searched for."""
        number = word.isdigit() and not YEAR.fullmatch(word)
        return super().word_filter(word) and not number


def setup(app):
    """Put it in the place of English; called by Sphinx."""
    app.add_search_language(WordsAndYears)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
