"""Suggests the word that a user meant by a misspelled one, and writes numbers of things."""

from collections.abc import Iterable

# Letters that two words share, of all their letters (difflib's ratio). "lfs" and "lsf" have 0.67,
# and so have "med" and "median"; "postgres" and "parquet" have 0.4.
_CLOSE = 0.6


def counted(number: int, what: str) -> str:
    """A number of things, in the singular if it is one.

    >>> counted(1, "image set"), counted(0, "row"), counted(2, "batch")
    ('1 image set', '0 rows', '2 batches')
    """
    plural = "es" if what.endswith("ch") else "s"
    return f"{number} {what}{plural if number != 1 else ''}"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Returns the only known word that begins with `word`, or else the one most like it.

    Upper and lower case count as the same. None if no word is close.

    >>> closest("nuclie", ["Cells", "Nuclei"]), closest("--max", ["--max-attempts", "--memory"])
    ('Nuclei', '--max-attempts')
    """
    # The import takes 7 ms, and only errors need it.
    from difflib import get_close_matches

    by_lower_case = {each.lower(): each for each in known}
    lower = word.lower()
    found = [each for each in by_lower_case if lower and each.startswith(lower)]
    if len(found) != 1:
        found = get_close_matches(lower, by_lower_case, 1, _CLOSE)
    return by_lower_case[found[0]] if found else None


def suggest(message: str, *meant: str | None) -> str:
    """Returns an error message, followed by a question if there are words that were meant.

    >>> suggest("no command 'laod'", "load"), suggest("no command 'x'", None)
    ("no command 'laod'. Did you mean load?", "no command 'x'")
    """
    words = ", ".join(word for word in meant if word)
    return f"{message.rstrip('.')}. Did you mean {words}?" if words else message
