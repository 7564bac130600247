"""The events that were read back after a run, with their numbers."""

from array import array

from trackd.load.history import NONE, History


class Stored:
    """Filled page by page, profile by profile; 12 bytes for each event of the run."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.calls = max(history.call, default=-1) + 1
        self.seqs = array("q", bytes(8 * self.calls * history.events_per_call))  # 0: not found
        self.profiles = array("i", [NONE]) * len(self.seqs)  # the profile in which it was found
        self.profiles_read: set[int] = set()
        self.duplicates: list[tuple[int, int]] = []  # call and profile

    def add(self, profile: int, event_id: str, seq: int) -> None:
        """Add an event of a profile. Events of other runs are ignored."""
        found = self._history.event_of(event_id)
        if found is None or found[0] >= self.calls or found[1] >= self._history.events_per_call:
            return
        call, position = found
        place = call * self._history.events_per_call + position
        if self.seqs[place]:
            self.duplicates.append((call, profile))
        self.seqs[place] = seq
        self.profiles[place] = profile

    def of(self, call: int) -> list[int]:
        n = self._history.events_per_call
        return self.seqs[call * n : (call + 1) * n].tolist()

    def profiles_of(self, call: int) -> list[int]:
        n = self._history.events_per_call
        return self.profiles[call * n : (call + 1) * n].tolist()
