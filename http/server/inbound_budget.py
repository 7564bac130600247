"""The bytes of all incomplete requests together, and their limit."""

from msgspec import Struct


class InboundBudget(Struct):
    """One for all connections of a server. `size` are the bytes that they hold of incomplete requests."""

    max_size: int
    size: int = 0

    def take(self, size: int) -> bool:
        """Add `size` bytes. Returns False when the sum is over the limit; the bytes count all the same."""
        self.size += size
        return self.size <= self.max_size

    def release(self, size: int) -> None:
        self.size -= size
