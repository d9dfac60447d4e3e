"""Word lists of the safety filter: what of a text counts, and the search for thousands of words in
a text that is still being written.

**What counts.** A text and the words of a list are folded alike, character by character: NFKC and
casefold (full-width forms, ligatures, circled and boxed letters, CJK radicals are what they look
like); digits of all scripts are ASCII's; accents and piled-up marks fall off. What cannot be seen
is not there: zero-width and bidi characters, soft hyphens, variation selectors, fillers. All other
signs (spaces, punctuation, symbols, emoji) only keep apart.

**Scripts without spaces between words** (Thai, and what is behind it in Unicode: Chinese, Japanese,
Korean): a word matches wherever its characters follow each other, with up to APART_AT_MOST signs
between two of them. 敏感词, 敏 感-词 and 敏*感*词 are one.

**Scripts with them** (Latin, Greek, Cyrillic, Arabic, Indic ones, and digits): a word matches as a
whole word alone, so "ass" does not block "class"; and spelled out, if it has SPELLED_OUT_FROM
letters or more: "f.u.c.k", "f u c k". Broken otherwise it passes ("fu-ck"), or much that is
harmless would not. Between the words of a phrase any APART_AT_MOST signs may stand.

**What passes**, because it would take tables of others': traditional for simplified characters,
pinyin, look-alikes of another script, digits for letters; kana and Hangul typed in parts. Such
spellings want a line of their own.

**The search** remembers the longest beginning of a word with which the text ends, and so knows at
each character how much of the text has to be held back: a stream gives up all the rest at once. The
usual libraries (Aho-Corasick) tell what they have found, but not that, and would have to search the
end of the text again with every piece.
"""

import itertools
import unicodedata
from collections import deque
from collections.abc import Callable, Generator, Iterable

APART_AT_MOST = 4
SPELLED_OUT_FROM = 3
EDGE = " "
WIDE = "\u0e00"  # from here on: scripts without spaces between words
AN_EDGE, NARROW_SIGN, WIDE_SIGN = 0, 1, 2
AN_EDGE_BETWEEN = NARROW_SIGN + WIDE_SIGN
BASIC_PLANE_ENDS = "\uffff"

_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
_ACCENTS = frozenset([1, *range(10, 37), *range(200, 256)])
_BREAKS = frozenset("\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85")
# Letters in boxes, for which Unicode has no folding: outlined and filled ones, and those of flags.
_BOXED = [0x1F150, 0x1F170, 0x1F1E6]


class _Folding(dict[str, str]):
    """What each character is to the filter: signs for words, an EDGE for what keeps apart, "" for
    what is not there. Of the basic plane each is worked out once."""

    def __missing__(self, character: str) -> str:
        folded = _fold(character)
        if character <= BASIC_PLANE_ENDS:
            self[character] = folded
        return folded


def _fold(character: str) -> str:
    for first in _BOXED:
        if first <= ord(character) < first + 26:
            return chr(ord("a") + ord(character) - first)
    parts = unicodedata.normalize("NFKC", character).casefold()
    parts = "".join(map(_sign, unicodedata.normalize("NFKD", parts)))
    return unicodedata.normalize("NFC", parts)


def _sign(part: str) -> str:
    category = unicodedata.category(part)
    if _is_unseen(part, category):
        return ""
    if category == "Nd":
        return str(unicodedata.digit(part))
    return part if category[0] in "LMN" else EDGE


def _is_unseen(part: str, category: str) -> bool:
    if category in ("Cf", "Me") or part in _FILLERS:
        return True
    if category == "Cc":
        return part not in _BREAKS
    # Strokes through a letter, points of Hebrew and Arabic, accents around it; selectors.
    place = unicodedata.combining(part)
    is_selector = "\ufe00" <= part <= "\ufe0f" or "\U000e0100" <= part <= "\U000e01ef"
    return category == "Mn" and (place in _ACCENTS or is_selector)


FOLDING = _Folding()


def pattern(word: str) -> str:
    """The word as the search looks for it; "" where nothing of it counts.

    EDGE stands at both ends of a word in scripts that have such, and for what lies between two.
    """
    signs: list[str] = []
    last = EDGE
    for sign in "".join(FOLDING[character] for character in word):
        if sign == EDGE and (last == EDGE or last >= WIDE):
            continue
        if sign != EDGE and (sign < WIDE if not signs else _is_edge_between(last, sign)):
            signs.append(EDGE)
        signs.append(sign)
        last = sign
    if signs and EDGE != last < WIDE:
        signs.append(EDGE)
    return "".join(signs)


def _is_edge_between(last: str, sign: str) -> bool:
    return last != EDGE and (last < WIDE) is not (sign < WIDE)


def spelled_out(wanted: str) -> str:
    """The pattern with an edge between any two letters of a word; "" for what is too short."""
    if sum(sign != EDGE for sign in wanted) < SPELLED_OUT_FROM:
        return ""
    signs = [wanted[0]]
    for before, sign in itertools.pairwise(wanted):
        is_inside = EDGE not in (before, sign) and before < WIDE and sign < WIDE
        signs.append(EDGE + sign if is_inside else sign)
    return "".join(signs)


class Words:
    """A list, ready to be searched for.

    `beginnings` has every beginning of every word (with "", and a whole one with the word as it was
    written), and the empty one; `firsts`, by its first, the second signs of words that begin with a
    wide one. `count` is how many different words there are.
    """

    def __init__(self, words: Iterable[str]) -> None:
        wanted: dict[str, str] = {}
        for word in words:
            wanted.setdefault(pattern(word), word)
        wanted.pop("", None)
        self.count = len(wanted)
        for one, word in list(wanted.items()):
            if spelled := spelled_out(one):
                wanted.setdefault(spelled, word)
        self.longest = max(map(len, wanted), default=0)
        self.beginnings: dict[str, str] = {"": ""}
        # A word that holds another one is not needed: whatever holds it holds that one, too. So the
        # longest beginning with which a text ends is the only one that may be a whole word.
        for one in sorted(wanted, key=len):
            if not self._is_found_in(one):
                self._add(one, wanted[one])
        self.firsts: dict[str, str] = {}
        for one in self.beginnings:
            if len(one) == 2 and one >= WIDE:
                self.firsts[one[0]] = self.firsts.get(one[0], "") + one[1]

    def find(self, text: str) -> str:
        """The first word of the list that the text holds; "" where there is none."""
        searching = search(self, len)  # nobody is shown anything
        next(searching)
        try:
            searching.send(text or EDGE)
            searching.send("")
        except WordFound as found:
            return found.word
        return ""

    def _is_found_in(self, wanted: str) -> bool:
        beginnings, end = self.beginnings, ""
        for sign in wanted:
            end = _longest(end + sign, beginnings)
            if beginnings[end]:
                return True
        return False

    def _add(self, wanted: str, word: str) -> None:
        for length in range(len(wanted) - 1, 0, -1):
            if wanted[:length] in self.beginnings:
                break
            self.beginnings[wanted[:length]] = ""
        self.beginnings[wanted] = word


class WordFound(Exception):
    """A word of this list stands at the end of the text, of which `text` was not shown."""

    def __init__(self, words: Words, word: str, text: str) -> None:
        super().__init__(word)
        self.words = words
        self.word = word
        self.text = text


def search(words: Words, show: Callable[[str], object]) -> Generator[None, str, None]:
    """Begin it (`next`), then send it a text in pieces, and an empty one at its end.

    What will not turn out to begin a word is shown at once, the rest is held back. Raises WordFound
    at the first word.

    A coroutine, because its variables outlive a piece at no cost: a stream comes in pieces of one
    or two characters, and this is what each of them waits for. And one loop, deeper than is good
    for readers: a call for each character would cost as much as all the rest.
    """
    known, firsts, folding = words.beginnings.get, words.firsts, FOLDING
    end = outset = EDGE if EDGE in words.beginnings else ""  # of the text: the longest beginning
    seconds: str | None = None  # where `end` is a single wide sign: what may follow it
    at: deque[int] = deque(maxlen=words.longest + 1)  # where the last signs of the text stand
    waiting = ""
    kind = position = apart = 0
    while True:
        piece = yield
        for character in piece or EDGE:
            for sign in folding[character]:
                if seconds is not None and sign not in seconds and sign in firsts:
                    end, seconds, apart = sign, firsts[sign], 0  # as below, for most of Chinese
                    at.append(position)
                    continue
                if sign == EDGE:
                    apart += 1
                    if apart > APART_AT_MOST:
                        end, seconds, kind = outset, None, AN_EDGE
                    if kind != NARROW_SIGN:
                        continue
                    kind = AN_EDGE
                else:
                    apart, before, kind = 0, kind, WIDE_SIGN if sign >= WIDE else NARROW_SIGN
                    if before + kind == AN_EDGE_BETWEEN:
                        end = _cross_edge(words, end, waiting + piece)
                        at.append(position)
                end += sign
                while (word := known(end)) is None:
                    end = end[1:]
                if word:
                    raise WordFound(words, word, waiting + piece)
                at.append(position)
                seconds = firsts.get(end)
            position += 1
        text = waiting + piece
        signs = len(end) - (end[0] == EDGE) if end and piece else 0
        free = at[-signs] - position if signs else len(text)
        waiting = text[free:]
        if text := text[:free]:
            show(text)


def _cross_edge(words: Words, end: str, text: str) -> str:
    """The longest beginning of a word with which the text ends at an edge. Raises WordFound."""
    end = _longest(end + EDGE, words.beginnings)
    if word := words.beginnings[end]:
        raise WordFound(words, word, text)
    return end


def _longest(text: str, beginnings: dict[str, str]) -> str:
    while text not in beginnings:
        text = text[1:]
    return text
