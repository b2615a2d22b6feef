"""What the service uses: Presidio's recognizers, Redis, sealing, a thread pool."""
