"""The errors of a store and of its administration. Each message is a sentence for a person."""


def sentence(text: str) -> str:
    """The text with a capital letter at its beginning, unless that is a URL, and a full stop at its end."""
    begin = text[:1] if "://" in text.split(" ")[0] else text[:1].upper()
    return f"{begin}{text[1:].rstrip('.')}."


class SourceError(Exception):
    """A source cannot be added, changed or removed as requested: it exists already, or does not exist."""


class TokenError(Exception):
    """A token cannot be added or revoked as requested: it exists already, or does not exist."""


class StoreError(Exception):
    """The store cannot read or write now. The message is for the log, not for clients."""


class DamagedRowError(StoreError):
    """A row cannot be read, and will not be later: a disk or another tool has damaged it."""
