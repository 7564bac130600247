"""What ends a command."""


class CommandError(Exception):
    """A command that cannot go on: one sentence, exit code 1."""
