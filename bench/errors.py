"""What a benchmark raises when its figures would mean nothing."""


class BenchError(RuntimeError):
    """The thing under test did not do what was to be measured; the message says what was missing."""
