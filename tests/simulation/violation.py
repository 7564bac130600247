"""The exception for a broken promise."""


class Violation(Exception):  # noqa: N818  the usual word in checkers of histories
    """A promise of trackd is broken. `step` is the step that showed it, None if it was the end of the history."""

    def __init__(self, message: str, step: object = None) -> None:
        super().__init__(message)
        self.step = step


def check(holds: object, otherwise: str) -> None:
    if not holds:
        raise Violation(otherwise)
