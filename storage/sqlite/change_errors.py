"""Errors of one change in a commit, and not of the disk."""

import apsw

# Errors of one change, not of the disk: the other changes of its batch are committed without it.
ERRORS_OF_ONE_CHANGE = (
    apsw.CorruptError,  # by a damaged row, or by damaged pages: see `Outcome.UNREADABLE`
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
    apsw.BindingsError,
    TypeError,
    ValueError,
    OverflowError,
    AttributeError,
    LookupError,
)
A_COLUMN_IS_BINARY = "JSON cannot hold BLOB values"  # SQLite, of a damaged row that the statement reads


def is_of_one_change(error: Exception) -> bool:
    """Whether the other changes of a batch can be committed without the one that raised this."""
    return isinstance(error, ERRORS_OF_ONE_CHANGE) or A_COLUMN_IS_BINARY in str(error)
