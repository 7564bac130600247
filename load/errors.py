"""What keeps a load test from beginning, or from being judged."""


class LoadError(Exception):
    """A load test that cannot begin: one sentence, exit code 2."""


class NotReadBackError(Exception):
    """What was stored cannot be read: one sentence."""
