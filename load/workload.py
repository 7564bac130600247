"""The calls of a run and their order: the same for the same seed, except for the profile ids that answers bring."""

import random
from dataclasses import dataclass

from trackd.load.calls import Call
from trackd.load.history import NONE

SIMULTANEOUS = 5  # first calls of one session


@dataclass(frozen=True)
class Mix:
    """Shares are percentages."""

    clients: int
    profiles: int
    sessions_per_profile: int
    hot: float
    retries: float
    first_calls: float
    seed: int


class Workload:
    """People with sessions. The answer to a person's first session brings the person's profile id; until
    then all the person's calls are of that session and name no profile.

    A session that begins with simultaneous first calls names none either, so that any but a person's first one is
    answered with a profile of its own.
    """

    def __init__(self, mix: Mix) -> None:
        self._mix = mix
        # A generator for each kind of choice, so that the answers do not change the other choices.
        self._people = random.Random(f"people {mix.seed}")  # noqa: S311 no secrets
        self._retried = random.Random(f"retried {mix.seed}")  # noqa: S311
        self._waits = random.Random(f"waits {mix.seed}")  # noqa: S311
        self._hot, self._retries, self._first_calls = mix.hot / 100, mix.retries / 100, mix.first_calls / 100
        self._together = min(SIMULTANEOUS, mix.clients)
        self._begun: set[int] = set()
        self._alone: set[int] = set()
        self._profile_of_person: dict[int, int] = {}
        self._profile_of_session: dict[int, int] = {}
        self.calls = 0

    def next(self, most: int) -> list[Call]:
        """The next calls, which start together; at most `most`."""
        draw, sessions = self._people.random, self._mix.sessions_per_profile
        hot, someone, one, together = draw() < self._hot, draw(), draw(), draw() < self._first_calls
        person = 0 if hot else int(someone * self._mix.profiles)
        session = person * sessions + int(one * sessions)
        claimed = self._profile_of_session.get(session, NONE)
        if claimed == NONE and session not in self._alone:
            claimed = self._profile_of_person.get(person, NONE)
        if session in self._begun:
            return [self._call(session, claimed)]
        first = session == person * sessions
        if together and (first or person):  # the hot profile keeps its sessions
            self._begun.add(session)
            if not first:
                self._alone.add(session)
            return [self._call(session, NONE) for _ in range(min(self._together, most))]
        if claimed == NONE:
            session = person * sessions
        self._begun.add(session)
        return [self._call(session, claimed)]

    def _call(self, session: int, claimed: int) -> Call:
        drawn = self._retried.random()
        retry = "" if drawn >= self._retries else "cut" if drawn < self._retries / 2 else "answered"
        self.calls += 1
        return Call(self.calls - 1, session, claimed, retry)

    def wait_before_cut(self) -> float:
        """Seconds; half of the connections are cut as soon as the call is written."""
        return max(0.0, self._waits.uniform(-0.01, 0.01))

    def answered(self, session: int, profile: int) -> None:
        self._profile_of_session.setdefault(session, profile)
        if session % self._mix.sessions_per_profile == 0:
            self._profile_of_person.setdefault(session // self._mix.sessions_per_profile, profile)
