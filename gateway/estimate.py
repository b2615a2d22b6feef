"""What a request will cost before it is made: a bound on tokens from the text alone."""

from __future__ import annotations

from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

# Tokenizers of current models average 3.5 to 4.5 bytes a token on prose; 3 stays above what they report for most text.
BYTES_PER_TOKEN = 3
# What an answer is counted at when it is settled: the usual size of a token, so that a true report is not overruled.
SETTLED_BYTES_PER_TOKEN = 4
PER_MESSAGE = 4


def estimated_cost(request: pb.AdmitRequest, default_output_tokens: int) -> ratelimit.Cost:
    """The caller's estimate, completed: input tokens from the text's size, output tokens from the default."""
    given = request.estimate
    size = sum(len(message.text.encode()) // BYTES_PER_TOKEN + PER_MESSAGE for message in request.messages)
    return ratelimit.Cost(
        requests=1,
        input_tokens=given.input_tokens or size,
        output_tokens=given.output_tokens or default_output_tokens,
        model=given.model,
    )


def counted_output(text: str) -> int:
    """Output tokens of a text by our own count."""
    return -(-len(text.encode()) // SETTLED_BYTES_PER_TOKEN)


def settled_cost(used: ratelimit.Cost, counted: ratelimit.Cost) -> ratelimit.Cost:
    """The larger of what is reported and what was counted; the model that answered, else the one reserved for."""
    return ratelimit.Cost(
        requests=1,
        input_tokens=max(used.input_tokens, counted.input_tokens),
        output_tokens=max(used.output_tokens, counted.output_tokens),
        model=used.model or counted.model,
    )
