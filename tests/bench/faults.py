"""What ends a measurement, as a sentence that says what to do."""


class BenchError(Exception):
    """Something that the measurement needs is missing or went wrong."""
