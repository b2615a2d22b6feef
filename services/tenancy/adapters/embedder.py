"""A vector of a text without any model: words and word pairs, hashed into 256 places.

It finds texts that share words, and knows nothing of what words mean: good for a demo and for tests, and a stand-in
until a caller brings vectors of a real model. The same text gives the same vector on every machine, for ever: the name
is part of what an organisation's documents are bound to.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+")
_STEM = 6  # letters of a word that count a little by themselves: refund, refunds, refunded


class HashingEmbedder:
    """Implements `ports.resources.Embedder`."""

    name = "hauberk-words-1"
    dimension = 256

    def embed(self, text: str) -> Sequence[float]:
        """See the port."""
        words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
        counted: Counter[str] = Counter()
        counted.update(f"w:{word}" for word in words)
        counted.update(f"s:{word[:_STEM]}" for word in words if len(word) > _STEM)
        counted.update(f"p:{one} {two}" for one, two in pairwise(words))
        places = [0.0] * self.dimension
        for feature, times in counted.items():
            digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
            sign = 1.0 if digest[4] & 1 else -1.0
            places[int.from_bytes(digest[:4], "big") % self.dimension] += sign * (1.0 + math.log(times))
        length = math.sqrt(sum(value * value for value in places))
        if length == 0.0:  # no words, or all of them cancelled each other out
            return [1.0, *([0.0] * (self.dimension - 1))]
        return [value / length for value in places]
