"""Examples written as templates: `{W36}` stands for 36 letters and digits, so that no scanner takes one for real.

Alphabets: W letters and digits, U those with `-` and `_`, B those of base64, H hexadecimal, D digits, A capitals and
digits, a small letters and digits, G a UUID (its number counts for nothing).
"""

import re
from random import Random
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits
from typing import Final
from uuid import UUID

_ALPHABETS: Final = {
    "W": ascii_letters + digits,
    "U": ascii_letters + digits + "-_",
    "B": ascii_letters + digits + "+/",
    "H": digits + "abcdef",
    "D": digits,
    "A": ascii_uppercase + digits,
    "a": ascii_lowercase + digits,
}
_FIELD: Final = re.compile(r"\{([WUBHDAaG])(\d+)\}")


def drawn(template: str, seed: int = 7) -> str:
    """Fill a template in: the same text and seed give the same example in every process."""
    chance = Random(f"{seed}:{template}")

    def fill(found: re.Match[str]) -> str:
        if found[1] == "G":
            return str(UUID(int=chance.getrandbits(128)))
        signs = _ALPHABETS[found[1]]
        size = int(found[2])
        first = chance.choice([sign for sign in signs if sign.isalnum()])
        # A digit and a letter of each case that the alphabet has: a short draw may lack one, a real one hardly does.
        rest = [chance.choice(signs) for _ in range(size - 1)]
        for place, kind in enumerate((str.isdigit, str.islower, str.isupper)):
            of_kind = [sign for sign in signs if kind(sign)]
            if of_kind and size > 8:
                rest[2 * place + 1] = chance.choice(of_kind)
        return first + "".join(rest)

    return _FIELD.sub(fill, template)
