"""Ways to hide a text from whoever looks for words, each as a function. For measuring; nothing serves with them."""

from __future__ import annotations

import base64
import codecs
import html
import urllib.parse
from collections.abc import Callable

_LEET = str.maketrans("oiesa", "01354")
_CYRILLIC = str.maketrans("aeopcyxi", "аеорсухі")
_GREEK = str.maketrans("oavi", "οανι")


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if 33 <= ord(c) < 127 else c for c in text)


def _mathematical(text: str) -> str:
    return "".join(chr(0x1D400 + ord(c) - 97 + 26) if "a" <= c <= "z" else c for c in text)


def _bits(text: str, zero: str, one: str) -> str:
    return "".join(one if bit == "1" else zero for c in text for bit in f"{ord(c):08b}")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


HIDINGS: dict[str, Callable[[str], str]] = {
    "case": str.upper,
    "mixed case": lambda t: "".join(c.upper() if n % 2 else c.lower() for n, c in enumerate(t)),
    "full width": _full_width,
    "mathematical letters": _mathematical,
    "zero width": "\u200b".join,
    "word joiners": "\u2060".join,
    "soft hyphens": "\u00ad".join,
    "accents": lambda t: "".join(c + "\u0301" if c.isalpha() else c for c in t),
    "look-alikes, Cyrillic": lambda t: t.translate(_CYRILLIC),
    "look-alikes, Greek": lambda t: t.translate(_GREEK),
    "tags": lambda t: "".join(chr(0xE0000 + ord(c)) for c in t),
    "variation selectors": lambda t: "".join(chr(0xFE00 + b if b < 16 else 0xE0100 + b - 16) for b in t.encode()),
    "invisible bits": lambda t: _bits(t, "\u2062", "\u2064"),
    "base64": _base64,
    "base64 for addresses": lambda t: base64.urlsafe_b64encode(t.encode()).decode().rstrip("="),
    "base64, wrapped": lambda t: base64.encodebytes(t.encode() * 2).decode(),
    "base64 twice": lambda t: _base64(_base64(t)),
    "base32": lambda t: base64.b32encode(t.encode()).decode(),
    "base85": lambda t: base64.a85encode(t.encode(), adobe=True).decode(),
    "hex": lambda t: t.encode().hex(),
    "hex, spaced": lambda t: t.encode().hex(" "),
    "hex, colons": lambda t: t.encode().hex(":").upper(),
    "hex, escaped": lambda t: "".join(f"\\x{ord(c):02x}" for c in t),
    "hex, 0x": lambda t: " ".join(f"0x{ord(c):02x}" for c in t),
    "unicode escapes": lambda t: "".join(f"\\u{ord(c):04x}" for c in t),
    "percent": lambda t: "".join(f"%{ord(c):02X}" for c in t),
    "percent, usual": urllib.parse.quote,
    "entities": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "entities, hex": lambda t: "".join(f"&#x{ord(c):x};" for c in t),
    "quoted printable": lambda t: "".join(f"={ord(c):02X}" for c in t),
    "bits": lambda t: " ".join(f"{ord(c):08b}" for c in t),
    "character codes": lambda t: " ".join(str(ord(c)) for c in t),
    "rot13": lambda t: codecs.encode(t, "rot13"),
    "leet": lambda t: t.translate(_LEET),
    "spelled": lambda t: "  ".join(" ".join(word) for word in t.split()),
    "spelled without gaps": lambda t: " ".join(t.replace(" ", "")),
    "dotted": lambda t: " ".join(".".join(word) for word in t.split()),
    "dashed": lambda t: " ".join("-".join(word) for word in t.split()),
    "backwards": lambda t: t[::-1],
    "each word backwards": lambda t: " ".join(word[::-1] for word in t.split()),
    "base64 of rot13": lambda t: _base64(codecs.encode(t, "rot13")),
    "base64 of percent": lambda t: _base64(urllib.parse.quote(t)),
    "base64 of hex": lambda t: _base64(t.encode().hex()),
    "hex of base64": lambda t: _base64(t).encode().hex(),
    "entities of quotes": lambda t: html.escape(f'"{t}"'),
}
