"""What a request will cost before it is made: a bound on tokens from the text alone."""

from __future__ import annotations

from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

# Tokenizers of current models average 3.5 to 4.5 bytes a token on prose; 3 stays above what they report for most text.
BYTES_PER_TOKEN = 3
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
