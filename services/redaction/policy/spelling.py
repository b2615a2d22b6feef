"""How a placeholder may be written: as it was issued, or as a model that reformats a text leaves it.

`<us_ssn>`, `< US_SSN_2 >`, `<US SSN>`, `&lt;US_SSN&gt;`, `\\<US\\_SSN\\>`, `<**US_SSN**>`, one broken over a
line are read as the placeholder that they were; a tag counts only letter by letter as it was issued. The same reading
neutralises look-alikes in the input, so whatever a restore would read as a placeholder was issued as one.

Nothing that redaction puts beside a placeholder can become a part of it: an exact one is read by itself, whatever
stands around it, and no other spelling holds a "<" within.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

# No spelling is longer, and none has more gaps: what waits in a stream is bounded by it.
LONGEST_SPELLING = 160
_MOST_GAPS = 6
_EXACT = r"<[A-Z][A-Z0-9_]{0,93}>"
_OPEN = rf"(?:\\(?!{_EXACT})<|<|&[lL][tT];|&\#60;|&\#[xX]3[cC];)"
_CLOSE = r"(?:\\?>|&[gG][tT];|&\#62;|&\#[xX]3[eE];)"
_EDGE = r"[ \t\r\n*`]*+"
_BODY = r"[A-Za-z](?:[A-Za-z0-9_]++|\\_|[ \t\r\n]++(?=[A-Za-z0-9_]|\\_))*+"
# Possessive throughout, and no two parts begin alike: linear in the text.
SPELLING = re.compile(rf"<(?P<exact>[A-Z][A-Z0-9_]{{0,93}})>|{_OPEN}{_EDGE}(?P<body>{_BODY}){_EDGE}{_CLOSE}")
# The end of a text that may become a spelling. Holding back too much changes nothing but when it is delivered.
_UNFINISHED = re.compile(
    r"\\\Z|&(?:[lL][tT]?|\#(?:60?|[xX](?:3[cC]?)?)?)?\Z"
    r"|(?:\\?<|&(?:[lL][tT]|\#60|\#[xX]3[cC]);)"
    r"(?:[ \t\r\n*`]*+(?:[A-Za-z](?:[A-Za-z0-9_]|\\_?|[ \t\r\n*`])*+)?(?:&[gGtT\#623xXeE]{0,4})?)\Z"
)
_NAMED = re.compile(r"([A-Z][A-Z0-9_]{0,63}?)(?:_([1-9][0-9]{0,8}))?")
_TAG = re.compile(r"\\?_T([A-Z2-7]{8})\Z")
_GAP = re.compile(r"[ \t\r\n]+")
_BESIDE_UNDERSCORE = re.compile(r"[ \t\r\n]*_[ \t\r\n]*")
# Elements of HTML that an entity may be called like: in small letters they are what they are.
_HTML = re.compile(
    "a|abbr|address|area|article|aside|audio|b|base|bdi|bdo|body|br|button|canvas|caption|cite|code|col|data|datalist|dd|del|"
    "details|dfn|dialog|div|dl|dt|em|embed|fieldset|figure|font|footer|form|frame|h[1-6]|head|header|hr|html|i|iframe|img|"
    "input|ins|kbd|label|legend|li|link|main|map|mark|menu|meta|meter|nav|object|ol|option|output|p|param|picture|pre|"
    "progress|q|rp|rt|ruby|s|samp|script|search|section|select|slot|small|source|span|strong|style|sub|summary|sup|svg|"
    "table|tbody|td|template|textarea|tfoot|th|thead|time|title|tr|track|u|ul|var|video|wbr"
)

Known = Callable[[str], bool]
Named = tuple[str, int, str]


def spellings_in(text: str, known: Known) -> Iterator[tuple[Named, int, int]]:
    """Every placeholder of a known entity: its entity, number and tag, and where it stands."""
    if "<" not in text and not ("&" in text and ("&l" in text or "&#" in text or "&L" in text)):
        return
    for match in SPELLING.finditer(text):
        exact = match["exact"]
        named = _damaged(match, known) if exact is None else _named(*_tag_of(exact), known)
        if named is not None:
            yield named, match.start(), match.end()


def spelling_at(text: str, at: int) -> int:
    """Where what could be a placeholder of any entity ends that begins here; 0 when none does."""
    match = SPELLING.match(text, at, at + LONGEST_SPELLING + 1)
    return 0 if match is None or _too_long(match[0]) else match.end()


def unfinished(text: str) -> int:
    """Where the end of the text that may be the beginning of a placeholder begins; its length when there is none."""
    match = _UNFINISHED.search(text, max(0, len(text) - LONGEST_SPELLING))
    while match is not None:
        if _gaps(match[0]) <= _MOST_GAPS:
            return match.start()
        match = _UNFINISHED.search(text, match.start() + 1)
    return len(text)


def _damaged(match: re.Match[str], known: Known) -> Named | None:
    body = match["body"]
    if _too_long(match[0]):
        return None
    if _HTML.fullmatch(body.lower()) and not body.isupper():
        return None
    name, tag = _tag_of(body)
    plain = _BESIDE_UNDERSCORE.sub("_", name.replace("\\_", "_")).upper()
    # A line may end between two words or within one.
    for instead in ("_", "") if "\n" in plain else ("_",):
        named = _named(_GAP.sub(instead, plain), tag, known)
        if named is not None:
            return named
    return None


def _too_long(written: str) -> bool:
    return len(written.removeprefix("\\")) > LONGEST_SPELLING or _gaps(written) > _MOST_GAPS


def _gaps(written: str) -> int:
    return len(_GAP.findall(written.strip()))


def _tag_of(name: str) -> tuple[str, str]:
    """A name without its tag, and the tag, which is taken as it stands."""
    tag = _TAG.search(name)
    return (name, "") if tag is None else (name[: tag.start()], tag[1])


def _named(name: str, tag: str, known: Known) -> Named | None:
    read = _NAMED.fullmatch(name)
    if read is None or read[2] == "1" or not known(read[1]):
        return None
    return read[1], int(read[2] or 1), tag
