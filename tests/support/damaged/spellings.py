"""How keys are written: words, styles, and how far two are apart."""

import re
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words(key: str) -> list[str]:
    """Return a key's words in lower case."""
    return [word.lower() for word in _WORD.findall(key)]


def snake(key: str) -> str:
    """Write a key like_this."""
    return "_".join(words(key))


def kebab(key: str) -> str:
    """Write a key like-this."""
    return "-".join(words(key))


def camel(key: str) -> str:
    """Write a key likeThis."""
    first, *rest = words(key)
    return first + "".join(word.capitalize() for word in rest)


def pascal(key: str) -> str:
    """Write a key LikeThis."""
    return "".join(word.capitalize() for word in words(key))


def title(key: str) -> str:
    """Write a key Like This."""
    return " ".join(word.capitalize() for word in words(key))


def screaming(key: str) -> str:
    """Write a key LIKE_THIS."""
    return snake(key).upper()


def flat(key: str) -> str:
    """Return what is left of a key without style: letters and digits in lower case."""
    return "".join(words(key))


def apart(one: str, other: str) -> int:
    """Count the letters to drop, add, replace or swap with their neighbour to make one key the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        earlier, before, row = before, row, [at]
        for to, against in enumerate(other, 1):
            least = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (letter != against))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == against:
                least = min(least, earlier[to - 2] + 1)
            row.append(least)
    return row[-1]
