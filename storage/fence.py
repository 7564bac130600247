"""Which changes of a batch still stand on what is stored, and what is to be written for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trackd.storage.documents import Event, Profile, Session
from trackd.storage.store import Changes, Outcome

Standing = tuple[int, int]
NOT_STORED: Standing = (0, 0)


@dataclass(slots=True)
class Verdict:
    """The outcomes of a batch, and its writes: each profile and session once, in its last state."""

    outcomes: list[Outcome] = field(default_factory=list)
    profiles: dict[str, Profile] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    event_ids: list[tuple[str, str, int | None]] = field(default_factory=list)


def judge(batch: Sequence[Changes], standing: Mapping[str, Standing], links: Mapping[str, str]) -> Verdict:
    """Compare each change with what is stored and with the changes before it in the batch.

    `standing` maps the id of each stored profile to its (seq, revision), `links` that of each stored session to
    its profile's id. What comes after a stale change of its profile is stale with it, whatever the numbers say:
    another node may have written just as much as the change that was lost.
    """
    verdict = Verdict()
    now_standing, now_links = dict(standing), dict(links)
    stale: set[str] = set()
    for changes in batch:
        fence, session, profile = changes.fence, changes.session, changes.profile
        if (
            fence.profile_id in stale
            or now_standing.get(fence.profile_id, NOT_STORED) != (fence.seq, fence.revision)
            or (session is not None and now_links.get(session.id) != changes.session_was)
        ):
            stale.add(fence.profile_id)
            verdict.outcomes.append(Outcome.STALE)
            continue
        verdict.outcomes.append(Outcome.STORED)
        if profile is not None:
            now_standing[profile.id] = (profile.seq, profile.revision)
            verdict.profiles[profile.id] = profile
        if session is not None:
            now_links[session.id] = session.profile_id
            if changes.writes_session:
                verdict.sessions[session.id] = session
        verdict.events += changes.events
        if changes.event_ids:
            verdict.event_ids += [(fence.profile_id, key, seq) for key, seq in changes.event_ids.items()]
    return verdict
