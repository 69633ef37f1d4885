"""A token bucket: how much of the line images may take."""


class TokenBucket:
    """Lets *rate_bytes_per_s* through on average, and at most *burst_bytes* at once.

    Pure: whoever sends tells the time and does the waiting.
    """

    def __init__(self, rate_bytes_per_s: float | None, *, burst_bytes: int, now_s: float) -> None:
        self._rate = rate_bytes_per_s
        self._burst = burst_bytes
        self._tokens = float(burst_bytes)
        self._at_s = now_s

    def set_rate(self, rate_bytes_per_s: float | None, *, now_s: float) -> None:
        """Let another rate hold from now on; None lets everything through."""
        if rate_bytes_per_s == self._rate:
            return
        if self._rate is None:
            # What went through without a limit is not owed afterwards.
            self._tokens, self._at_s = float(self._burst), now_s
        else:
            self._refill(now_s)
        self._rate = rate_bytes_per_s

    def is_full(self, *, now_s: float) -> bool:
        """Return whether the whole burst may go: less came lately than the rate lets through."""
        if self._rate is None:
            return True
        self._refill(now_s)
        return self._tokens >= self._burst

    def take(self, count: int, *, now_s: float) -> float:
        """Take *count* bytes and return how many seconds to wait before sending them.

        The bucket may go below empty, so a *count* above the burst is let through late, not never.
        """
        if self._rate is None:
            return 0.0
        self._refill(now_s)
        self._tokens -= count
        return max(0.0, -self._tokens / self._rate)

    def _refill(self, now_s: float) -> None:
        grown = max(0.0, now_s - self._at_s) * (self._rate or 0.0)
        self._tokens = min(float(self._burst), self._tokens + grown)
        self._at_s = now_s
