"""A store in memory: the second backend, for tests and for measurements without a disk."""

import itertools
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from trackd.core.changes import Administration, Change, Changes, Erasure, Outcome
from trackd.core.documents import Event, FirstCopy, Login, Profile, Session, Source, Token, tombstone
from trackd.core.jobs import FINISHED_JOBS_KEPT, AddJob, Job, JobState, PutJob
from trackd.core.login_changes import AddLogin, EndLogin, LoginChange, UseLink
from trackd.core.refusals import PutRefusals, Refusal
from trackd.core.retention_changes import (
    DeleteEvents,
    DeleteSessions,
    Deletion,
    PutRetentionStop,
    RetentionStop,
    Swept,
)
from trackd.core.source_changes import AddSource, EditSource, RemoveSource, SourceChange
from trackd.core.token_changes import PutTokenUse
from trackd.storage.feed import ErasedDocument
from trackd.storage.fence import derived_ids, judge, profile_ids, write_in_order
from trackd.storage.memory_journal import MemoryJournal, anonymous
from trackd.storage.store import OfOneServer


class MemoryStore(OfOneServer):
    """See `Store`. The attributes are its content, for tests to read and to prepare."""

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self.profiles: dict[str, Profile] = {}
        self.merged: dict[str, str] = {}
        self.erased: set[str] = set()  # ids of profiles
        self.sessions: dict[str, Session] = {}
        self.events: list[Event] = []
        self.event_ids: dict[tuple[str, str], int | None] = {}
        self.journal = MemoryJournal()
        self._sources = {source.id: source for source in sources}
        self._sources_version = 1
        self._tokens: dict[str, Token] = {}
        self._logins: dict[str, Login] = {}
        self._jobs: dict[int, Job] = {}
        self._job_numbers = itertools.count(1)
        self._sessions_examined = 0  # by the steps of the deletion that is under way
        self._sessions_ahead: list[str] = []  # their times
        self._retention_stop = RetentionStop()
        self.swept: Swept | None = None

    @property
    def refusals(self) -> list[Refusal]:
        return list(self.journal.refusals.values())

    def profile(self, profile_id: str) -> Profile | None:
        return self.profiles.get(profile_id) or self.profiles.get(self.merged.get(profile_id, ""))

    def is_erased(self, profile_id: str) -> bool:
        return profile_id in self.erased

    def session(self, session_id: str) -> Session | None:
        return self.sessions.get(session_id)

    def session_and_profile(self, session_id: str) -> tuple[Session, Profile | None] | None:
        session = self.session(session_id)
        return None if session is None else (session, self.profiles.get(session.profile_id))

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        return {
            event_id: self.event_ids[profile_id, event_id]
            for event_id in event_ids
            if (profile_id, event_id) in self.event_ids
        }

    def first_copies(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, FirstCopy]:
        wanted = set(event_ids)
        return {
            event.id: FirstCopy(event.type, event.source_id, event.status)
            for event in self.events
            if event.profile_id == profile_id and event.id in wanted
        }

    def sources_version(self) -> int:
        return self._sources_version

    def sources(self) -> list[Source]:
        return list(self._sources.values())

    def put_source(self, source: Source) -> None:
        self._sources[source.id] = source
        self._sources_version += 1

    def is_damaged_source(self, source_id: str) -> bool:
        return False

    def jobs(self) -> list[Job]:
        return list(self._jobs.values())

    def newest_time(self, latest: str) -> str | None:
        times = [event.inserted for event in self.events] + [session.updated for session in self.sessions.values()]
        return max((time for time in times if time <= latest), default=None)

    def retention_stop(self) -> RetentionStop:
        return self._retention_stop

    def confirm_clock(self, now: str) -> None:
        self._retention_stop = RetentionStop(None, now, self._retention_stop.trusted)

    def tokens(self) -> list[Token]:
        return list(self._tokens.values())

    def put_token(self, token: Token) -> None:
        self._tokens[token.name] = token

    def revoke_token(self, name: str) -> None:
        del self._tokens[name]

    def login(self, secret_hash: str) -> Login | None:
        return next((login for login in self._logins.values() if login.hash == secret_hash), None)

    def put_login(self, login: Login) -> None:
        self._logins[login.name] = login

    def installation(self) -> int:
        return 0

    def check_damage(self) -> None:
        """Nothing in memory is damaged."""

    def sizes(self) -> dict[str, int]:
        return {}

    def check(self) -> None:
        pass

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        self.swept = None
        return write_in_order(batch, self._write_calls, self._write_other)

    def _write_calls(self, calls: Sequence[Changes], stale: set[str]) -> list[Outcome]:
        profiles = map(self.profiles.get, profile_ids(calls))
        sessions = (self.sessions.get(changes.session.id) for changes in calls if changes.session)
        verdict = judge(
            calls,
            {profile.id: (profile.seq, profile.revision) for profile in profiles if profile},
            {session.id: (session.profile_id, session.updated) for session in sessions if session},
            stale,
            derived_ids(calls) & self.erased,
        )
        self.profiles |= verdict.profiles
        self.sessions |= verdict.sessions
        self.events += verdict.events
        self.journal.add(verdict.events)
        self.event_ids |= {(profile_id, key): seq for profile_id, key, seq in verdict.event_ids}
        return verdict.outcomes

    def _write_other(self, change: Administration | Deletion) -> Outcome:
        match change:
            case DeleteEvents():
                return self._delete_events(change)
            case DeleteSessions():
                return self._delete_sessions(change)
            case Erasure():
                return self._erase(change)
            case AddJob():
                self._add_job(change)
                return Outcome.STORED
            case PutJob():
                return self._put_job(change.job)
            case PutTokenUse():
                return self._put_token_use(change)
            case AddLogin() | UseLink() | EndLogin():
                return self._change_login(change)
            case PutRetentionStop():
                return self._put_retention_stop(change)
            case PutRefusals():
                self.journal.put_refusals(change)
                return Outcome.STORED
            case AddSource() | EditSource() | RemoveSource():
                return self._change_source(change)

    def _add_job(self, change: AddJob) -> None:
        ended = [n for n, job in self._jobs.items() if job.state is not JobState.OPEN and job.kind == change.kind]
        for number in ended[:-FINISHED_JOBS_KEPT]:
            del self._jobs[number]
        number = next(self._job_numbers)
        self._jobs[number] = Job(number, change.kind, change.arguments)

    def _put_job(self, job: Job) -> Outcome:
        before = self._jobs.get(job.number)
        if before is None or before.state is not JobState.OPEN:
            return Outcome.STALE
        self._jobs[job.number] = job if job.state is JobState.OPEN else replace(job, arguments={}, position={})
        return Outcome.STORED

    def _put_token_use(self, change: PutTokenUse) -> Outcome:
        for token in self._tokens.values():
            if token.hash == change.hash:
                self._tokens[token.name] = replace(token, used=change.used)
                return Outcome.STORED
        return Outcome.STALE

    def _change_login(self, change: LoginChange) -> Outcome:
        login = self.login(change.link_hash if isinstance(change, UseLink) else "")
        match change:
            case AddLogin() if change.login.name not in self._logins:
                self.put_login(change.login)
                return Outcome.STORED
            case UseLink() if login is not None and login.is_link and not login.has_expired(change.now):
                used = replace(login, hash=change.hash, inserted=change.now, expires=change.expires, is_link=False)
                self.put_login(used)
                return Outcome.STORED
            case EndLogin() if (ended := self.login(change.hash)) is not None and not ended.is_link:
                del self._logins[ended.name]
                return Outcome.STORED
        return Outcome.STALE

    def _put_retention_stop(self, change: PutRetentionStop) -> Outcome:
        if change.confirmed != self._retention_stop.confirmed:
            return Outcome.STALE
        trusted = change.trusted or self._retention_stop.trusted
        self._retention_stop = RetentionStop(change.after, change.confirmed, trusted)
        return Outcome.STORED

    def _change_source(self, change: SourceChange) -> Outcome:
        source_id = change.source.id if isinstance(change, AddSource) else change.source_id
        before = self._sources.get(source_id)
        if (before is None) != isinstance(change, AddSource):
            return Outcome.STALE
        match change:
            case AddSource():
                self.put_source(change.source)
            case EditSource() if before is not None:
                self.put_source(before.edited(change.fields, change.updated))
            case _:
                del self._sources[source_id]
                self._sources_version += 1
        return Outcome.STORED

    def _erase(self, erasure: Erasure) -> Outcome:
        profile_id = erasure.fence.profile_id
        profile = self.profiles.get(profile_id)
        if profile is None or (profile.seq, profile.revision) != (erasure.fence.seq, erasure.fence.revision):
            return Outcome.STALE
        del self.profiles[profile_id]
        erased = [profile_id, *(key for key, into_id in self.merged.items() if into_id == profile_id)]
        self.erased |= {*erased}
        sessions = {key for key, session in self.sessions.items() if session.profile_id == profile_id}
        self.journal.clear_refusals({*erased}, sessions)
        self.sessions = {key: session for key, session in self.sessions.items() if session.profile_id != profile_id}
        self.merged = {key: into_id for key, into_id in self.merged.items() if into_id != profile_id}
        self.event_ids = {key: seq for key, seq in self.event_ids.items() if key[0] != profile_id}
        self.journal.erase(profile_id, keep_events=erasure.keep_events)
        self.journal.add(ErasedDocument(tombstone(key), erasure.erased) for key in erased)
        if erasure.keep_events:
            self.events = [anonymous(event) if event.profile_id == profile_id else event for event in self.events]
        else:
            self.events = [event for event in self.events if event.profile_id != profile_id]
        return Outcome.STORED

    def _delete_events(self, step: DeleteEvents) -> Outcome:
        end, ahead = 0, []
        for number, event in enumerate(self.events, 1):
            if event.inserted < step.before:
                end = number
            elif event.inserted <= step.latest:
                break
            else:
                ahead.append(event.inserted)
        expired = self.events[: min(end, step.limit)]
        self.events = self.events[len(expired) :]
        self.journal.delete_oldest(len(expired))
        self.swept = Swept(len(expired), end - len(expired), len(ahead), max(ahead, default=""))
        for event in expired:
            self.event_ids.pop((event.profile_id, event.id), None)
        if len(expired) == step.limit:
            return Outcome.STORED
        self.journal.delete_refusals(step.before)
        return Outcome.DONE

    def _delete_sessions(self, step: DeleteSessions) -> Outcome:
        begin = self._sessions_examined
        examined = list(self.sessions.values())[begin : begin + step.limit]
        expired = {session.id for session in examined if session.updated < step.before}
        self.sessions = {key: session for key, session in self.sessions.items() if key not in expired}
        is_end = len(examined) < step.limit
        if is_end:
            self.journal.delete_refusals(step.before)
        self._sessions_examined = 0 if is_end else begin + len(examined) - len(expired)
        ahead = self._sessions_ahead + [session.updated for session in examined if session.updated > step.latest]
        self._sessions_ahead = [] if is_end else ahead
        left = len(self.sessions) - self._sessions_examined
        self.swept = Swept(len(expired), 0 if is_end else left, len(ahead), max(ahead, default=""))
        return Outcome.DONE if is_end else Outcome.STORED

    def close(self) -> None:
        pass
