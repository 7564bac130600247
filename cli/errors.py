"""The error of a command."""


class CommandError(Exception):
    """A command fails: its text is one sentence for the user, the exit code is 1."""
