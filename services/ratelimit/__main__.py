"""`python -m services.ratelimit`: the rate-limit service as a process of its own."""

from services.kit.run import main
from services.ratelimit.bootstrap import build
from services.ratelimit.settings import RateLimitSettings

raise SystemExit(main(RateLimitSettings, build))
