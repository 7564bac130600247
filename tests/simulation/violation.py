"""What a simulation ends with when a promise is broken."""


class Violation(Exception):  # noqa: N818  as a checker of histories calls it
    """The message says what is wrong; `step` is the one at which it showed, None at the end of the history."""

    def __init__(self, message: str, step: object = None) -> None:
        super().__init__(message)
        self.step = step


def check(holds: object, otherwise: str) -> None:
    if not holds:
        raise Violation(otherwise)
