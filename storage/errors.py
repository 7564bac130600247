"""What was asked of the database file by a person, and cannot be done: sentences for them."""


class SourceError(Exception):
    pass


class TokenError(Exception):
    pass


class StoreError(Exception):
    """The store cannot read or write now. The message is for the log, not for clients."""
