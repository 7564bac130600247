"""Errors of a load test."""


class LoadError(Exception):
    """A load test that cannot begin: one sentence, exit code 2."""


class NotReadBackError(Exception):
    """The stored events cannot be read: one sentence."""
