"""Which changes of a batch still stand on what is stored, and what is to be written for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trackd.core.changes import Changes, Outcome
from trackd.core.documents import Event, Profile, Session

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


Link = tuple[str, str]


def judge(
    batch: Sequence[Changes],
    standing: Mapping[str, Standing],
    links: Mapping[str, Link],
    stale: set[str] | None = None,
) -> Verdict:
    """Compare each change with what is stored and with the changes before it in the batch.

    `standing` maps the id of each stored profile to its (seq, revision), `links` that of each stored session to
    its profile's id and its `updated`. What comes after a stale change of its profile is stale with it, whatever the
    numbers say: another node may have written just as much as the change that was lost. So `stale` are the profiles
    of which a change before these was stale in the same transaction; those of these are added. A change that takes a
    session from a profile is built on that profile too.
    """
    verdict = Verdict()
    now_standing, now_links = dict(standing), dict(links)
    stale = set() if stale is None else stale
    for changes in batch:
        fence, session, profile = changes.fence, changes.session, changes.profile
        if (
            fence.profile_id in stale
            or now_standing.get(fence.profile_id, NOT_STORED) != (fence.seq, fence.revision)
            or (
                session is not None
                and (changes.previous_owner in stale or not _fits(changes, now_links.get(session.id)))
            )
        ):
            stale.add(fence.profile_id)
            verdict.outcomes.append(Outcome.STALE)
            continue
        verdict.outcomes.append(Outcome.STORED)
        if profile is not None:
            now_standing[profile.id] = (profile.seq, profile.revision)
            verdict.profiles[profile.id] = profile
        if session is not None and changes.writes_session:
            now_links[session.id] = (session.profile_id, session.updated)
            verdict.sessions[session.id] = session
        verdict.events += changes.events
        if changes.event_ids:
            verdict.event_ids += [(fence.profile_id, key, seq) for key, seq in changes.event_ids.items()]
    return verdict


def _fits(changes: Changes, link: Link | None) -> bool:
    profile_id, updated = link or (None, None)
    return profile_id == changes.previous_owner and changes.previous_updated in (None, updated)
