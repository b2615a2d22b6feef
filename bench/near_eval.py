"""`near-eval --data FILE`: how often bursts of nearly equal questions are noticed, and ordinary messages taken for one.

FILE has one JSON object a line with the key `text`: real messages. They are taken as the messages of one single user,
one after the other within a minute, in several orders: harder than any real user. Bursts are made: twenty ways of
asking for the same thing, in several orders, with ordinary messages in between.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from gateway.signals import alike
from gateway.sketch import sketch
from services.ratelimit.policy.penalties import NearQueries

NAME = "near-eval"
ORDERS = 20
FRAMES = (
    "What are {}?",
    "Tell me {}.",
    "Could you explain {}?",
    "Please describe {} for me",
    "I would like to know {}",
    "Give an overview of {}",
    "Summarise {} briefly",
    "Explain {} in simple words",
    "List {} in order",
    "Describe in detail {}",
    "Write a short paragraph about {}",
    "Can you give me a summary of {}?",
    "Help me to understand {}",
    "In two sentences, what about {}?",
    "As an expert, explain {}",
    "Discuss {} with examples",
    "Outline {}",
    "What should I know about {}?",
    "Teach me {} step by step",
    "Explain again, differently: {}",
)
TOPICS = (
    "the side effects of metformin",
    "the rules for returning laptops bought online",
    "how photosynthesis works in desert plants",
    "the main causes of the great depression",
    "steps to configure a firewall for a small office network",
    "differences between bagging and boosting in machine learning",
    "the grammar of conditional sentences in Spanish",
    "how vaccines train the immune system",
)


def noticed(sketches: Iterable[bytes], rule: NearQueries) -> int:
    """How many reports a series makes, by the rule of `near.lua` within one window."""
    burst, kept, reports = rule.burst(), list[bytes](), 0
    for found in sketches:
        if not found:
            continue
        kept = [other for other in kept if other != found]
        near = sum(alike(other, found) >= burst.alike for other in kept)
        if near + 1 >= burst.queries:
            reports, kept = reports + 1, []
        kept = [*kept, found][-burst.remembered :]
    return reports


def main(argv: list[str]) -> int:
    """Prints one line of JSON."""
    parser = argparse.ArgumentParser(prog=f"python -m bench {NAME}", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="JSON lines with the key text")
    args = parser.parse_args(argv)
    texts = [json.loads(line)["text"] for line in args.data.read_text(encoding="utf-8").splitlines() if line.strip()]
    draw, rule = random.Random(1), NearQueries()
    begun = time.perf_counter()
    real = [sketch(text) for text in texts]
    took = (time.perf_counter() - begun) / max(1, len(texts))
    false_alarms = sum(noticed(draw.sample(real, len(real)), rule) for _ in range(ORDERS))
    told = [found for found in real if found]
    pairs = [alike(one, other) for one, other in itertools.combinations(told, 2)]
    found = {between: _bursts(draw, real, rule, between) for between in (0, 5)}
    figures = {
        "bench": NAME,
        "messages": len(texts),
        "orders": ORDERS,
        "false_alarms": false_alarms,
        "alike_pairs_per_million": round(sum(pair >= rule.alike for pair in pairs) / max(1, len(pairs)) * 1e6, 1),
        "bursts": len(TOPICS) * ORDERS,
        "noticed": found[0],
        "noticed_with_5_others_between": found[5],
        "sketch_us": round(took * 1e6, 1),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def _bursts(draw: random.Random, real: list[bytes], rule: NearQueries, others: int) -> int:
    """Of twenty paraphrases each, in random order, so many other messages strewn in."""
    seen = 0
    for topic in TOPICS:
        for _ in range(ORDERS):
            asked = [sketch(frame.format(topic)) for frame in draw.sample(FRAMES, len(FRAMES))]
            for other in draw.sample(real, min(others, len(real))):
                asked.insert(draw.randrange(len(asked)), other)
            seen += noticed(asked, rule) > 0
    return seen
