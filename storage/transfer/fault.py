"""What is wrong with a line of an import."""


class FaultError(Exception):
    """Without a full stop. `line` is None for the line that is being read."""

    def __init__(self, fault: str, line: int | None = None) -> None:
        super().__init__(fault)
        self.line = line
