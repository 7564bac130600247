"""The errors of commands, as sentences for the user."""

import contextlib
import os
from collections.abc import Iterator

from trackd.storage.errors import StoreError
from trackd.storage.files.system_errors import reason_and_remedy, reason_of


class CommandError(Exception):
    """A command fails: its text is one sentence for the user, the exit code is 1."""


@contextlib.contextmanager
def naming(database: object) -> Iterator[None]:
    """Around reads and commits of a store: its errors are for the log of a server, and do not name it."""
    try:
        yield
    except StoreError as error:
        if type(error) is StoreError:
            raise CommandError(f"{database}: {str(error).rstrip('.')}.") from error
        raise


def system_error(error: OSError) -> str:
    """A sentence for an error of the operating system that the command does not expect."""
    if error.filename is None:
        return f"The command failed: {reason_of(error)}."
    return f"{os.fsdecode(error.filename)} cannot be used {reason_and_remedy(error)}."
