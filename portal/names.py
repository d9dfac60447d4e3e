"""Names that people see: one spelling, and no name that poses as another.

Source: Unicode UTS 39 §5.2, "highly restrictive": one script, or Latin together with the scripts
of Chinese, Japanese or Korean. `GPT机器人` is fine, a Cyrillic `а` among Latin letters is not.
"""

import re
import unicodedata
from itertools import pairwise

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

_LATIN_MAY_JOIN = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Letters and marks that show nothing: Unicode's Default_Ignorable_Code_Point outside Cf and Cn,
# and the blank Braille pattern.
_SHOWS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def normalise(name: str) -> str:
    """The name as it is stored and shown: NFKC, single spaces, none at the ends."""
    return " ".join(unicodedata.normalize("NFKC", name).split())


def comparison_key(name: str) -> str:
    """Two names with the same key are the same name."""
    return unicodedata.normalize("NFKC", normalise(name).casefold())


def _scripts(name: str) -> set[str]:
    letters = (character for character in name if character.isalpha())
    scripts = {unicodedata.name(letter, "UNKNOWN").split()[0] for letter in letters}
    return {"LATIN" if script in {"FULLWIDTH", "MODIFIER"} else script for script in scripts}


def _has_loose_mark(name: str) -> bool:
    """A mark on a Latin letter or a digit that NFKC knows no letter for, like an underline."""
    pairs = pairwise(name)
    return any(
        unicodedata.category(mark) in ("Mn", "Me")
        and (base.isdigit() or "LATIN" in unicodedata.name(base, ""))
        for base, mark in pairs
    )


def validate(name: str) -> None:
    """Raise ValidationError for a name with invisible characters or mixed look-alike scripts."""
    if not name:
        raise ValidationError(_("Give the service number a name."))
    if _SHOWS_NOTHING.search(name) or any(
        unicodedata.category(character) in _INVISIBLE for character in name
    ):
        raise ValidationError(_("The name holds invisible characters. Type it again."))
    if _has_loose_mark(name):
        raise ValidationError(_("The name holds a mark that hides on a letter. Type it again."))
    scripts = _scripts(name)
    if len(scripts) > 1 and not any(scripts <= allowed for allowed in _LATIN_MAY_JOIN):
        raise ValidationError(_("The name mixes alphabets that look alike. Use one of them."))
