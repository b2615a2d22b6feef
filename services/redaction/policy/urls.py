"""Web addresses: with a scheme whatever the host, else a host that ends in a public top level, with its path."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.redaction.policy.model import Finding

ENTITY = "URL"
_SCHEME = re.compile(r"(?<![\w+])[A-Za-z][A-Za-z0-9+.\-]{1,15}://[^\s<>\"'`]{1,2048}")
_BARE = re.compile(
    r"(?<![\w@.\-/\\$])(?P<host>(?:[^\W_](?:[\w\-]{0,61}[^\W_])?\.){1,8}(?P<top>[^\W\d_]{2,24}))"
    r"(?![\w@(]|-\w)(?P<port>:[0-9]{2,5}(?![0-9]))?(?P<path>[/?#][^\s<>\"'`]{0,2048})?"
)
_CLOSING = {")": "(", "]": "[", "}": "{"}
_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by bz "
    "ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm "
    "fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is "
    "it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm "
    "mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr "
    "ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg "
    "th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
_GENERIC = (
    "com org net edu gov mil int info biz name pro aero coop museum mobi asia cat jobs tel travel post xxx app "
    "dev online site store shop tech xyz club blog cloud space website live news email agency company digital "
    "life today world media group network solutions services systems center studio design global social top vip "
    "icu fun guru ninja rocks work works page link click zone health care finance bank money law legal team chat "
    "games software support academy school university"
)
_TOPS = frozenset(f"{_COUNTRIES} {_GENERIC}".split())
# Endings of files that are countries too: without a path they are files.
_ENDINGS = "md pl pm ps py rs sh so tf cc ml mk hm sc st"
FILES = frozenset(_ENDINGS.split())


def find_urls(text: str) -> Iterator[Finding]:
    """Yield the addresses."""
    last = 0
    if "://" in text:
        for match in _SCHEME.finditer(text):
            end = _trimmed(text, match.start(), match.end())
            if end > match.start() + match[0].index("://") + 3:
                yield Finding(ENTITY, match.start(), end, 0.7)
    for match in _BARE.finditer(text):
        if match.start() < last or not _is_host(match):
            continue
        last = _trimmed(text, match.start(), match.end())
        yield Finding(ENTITY, match.start(), last, 0.6 if match["host"].lower().startswith("www") else 0.5)


def _is_host(match: re.Match[str]) -> bool:
    host, top = match["host"], match["top"]
    if top.lower() not in _TOPS:
        return host.lower().startswith("www.") and host.count(".") > 1
    if top.lower() in FILES and not match["path"] and host.count(".") == 1:
        return False
    # "the end.It began": a sentence without its blank.
    return not (top[0].isupper() and not top.isupper())


def _trimmed(text: str, start: int, end: int) -> int:
    """Without the marks of the sentence around it; a closing bracket stays when its opening one is inside."""
    while end > start:
        mark = text[end - 1]
        if mark in _CLOSING:
            if text.count(_CLOSING[mark], start, end) >= text.count(mark, start, end):
                break
        elif mark not in ".,;:!?*_|":
            break
        end -= 1
    return end
