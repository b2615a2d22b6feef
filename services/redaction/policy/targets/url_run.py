"""Bare addresses: a run without a blank that reads, to some renderer, as a link."""

from __future__ import annotations

import re

_SCHEMES = (
    "https?|ftps?|sftp|wss?|file|data|blob|filesystem|javascript|vbscript|mailto|sms|smsto|intent|market|whatsapp|tg|"
    "slack|skype|steam|ssh|git|ldaps?|irc|xmpp|magnet|view-source|gopher|jar|cid|ipfs"
)
TRIGGER = re.compile(
    r"[/\\]{2}"  # scheme://, //host, and the backslashes that browsers read as slashes
    r"|www\."
    rf"|(?<![A-Za-z0-9])(?:{_SCHEMES})(?::|&colon;|&#0{{0,6}}58;|&#x0{{0,6}}3a;|%3a)"
    r"|\w\.[^\W\d][\w\-]{0,62}\.?(?::\d{0,5})?[/?#\\]"  # elsewhere.example/...
    r"|\d{1,3}(?:\.\d{1,3}){3}(?::\d{0,5})?[/?#\\]",
    re.IGNORECASE,
)
_SIGN = re.compile(r"[/\\.:&%]")  # every trigger holds one
# The last place where a run ends: blanks (not after a backslash: a line goes on) and the "<" of a tag, as GitHub's
# Markdown has it. Other blanks, quotes, brackets and ">" do not end a link everywhere.
_END = re.compile(r".*(?:(?:(?<!\\)|(?<=\\\\))[ \t\r\n]|<(?=[A-Za-z/!?]))", re.DOTALL)
_BEFORE_LINK = "([{<\"'*_=|>,;"
_MOST = 4096
_LONGEST_TRIGGER = 96
_KEEP = 256


class UrlRun:
    """Follows the present run of characters; it stays hot until it ends."""

    def __init__(self) -> None:
        self._run = ""
        self._hot = self._cut = False
        self._searched = 0

    def feed(self, text: str) -> None:
        """Goes on by a piece of text."""
        before = len(self._run)
        run = self._run + text
        # From the last known character on, because it may only now prove to begin a tag.
        end = _END.match(run, max(0, before - 1))
        if end is not None:
            run = run[end.end() :]
            self._hot = self._cut = False
            self._searched = 0
        self._run = run
        if len(run) > _MOST:
            self._search()
            self._cut = True
            self._run = run[-_KEEP:]
            self._searched = _KEEP

    def target(self) -> str | None:
        """None: no link here. Else its beginning, as far as it can be told; empty when it cannot."""
        self._search()
        if not self._hot:
            return None
        if self._cut:
            return ""
        start = self._run.find("https://")
        if start < 0 or (start and (self._run[start - 1] not in _BEFORE_LINK or TRIGGER.search(self._run, 0, start))):
            return ""
        return self._run[start:]

    def _search(self) -> None:
        # What was searched is not searched again, but for what may be the beginning of a trigger; the first character
        # of a cut run only shows what stands before the second.
        start = max(int(self._cut), self._searched - _LONGEST_TRIGGER)
        if not self._hot and _SIGN.search(self._run, start):
            self._hot = TRIGGER.search(self._run, start) is not None
        self._searched = len(self._run)


class WholeText:
    """A text that is an address from its first word on: what reads it may drop blanks, so all of it is the target."""

    def __init__(self, text: str) -> None:
        joined = re.sub(r"[\t\r\n]", "", text).lstrip("".join(map(chr, range(33))))
        self._link = TRIGGER.search(joined.split(" ", 1)[0]) is not None
        self._read = ""

    def feed(self, text: str) -> None:
        """Goes on by a piece of text."""
        self._read += text

    def target(self) -> str | None:
        """As in UrlRun."""
        return self._read if self._link else None
