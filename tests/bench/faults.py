"""The error that ends a measurement, with a sentence on what to do."""


class BenchError(Exception):
    """Something that the measurement needs is missing or went wrong."""
