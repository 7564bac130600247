"""Reads the events of a run's profiles after the run."""

import asyncio
from collections.abc import Callable, Iterator

import msgspec

from trackd.load.errors import NotReadBackError
from trackd.load.history import History
from trackd.load.probe import page_request
from trackd.load.requester import Requester
from trackd.load.stored import Stored
from trackd.load.target import Target

PAGE = 1_000
READERS = 4


class _Event(msgspec.Struct):
    id: str
    seq: int


class _Page(msgspec.Struct):
    result: list[_Event]
    next: str | None


_decode = msgspec.json.Decoder(_Page).decode


async def read_back(target: Target, token: str, history: History, report_progress: Callable[[int], None]) -> Stored:
    """Read the events of all profiles of the run. Raises NotReadBackError.

    `report_progress` is called with the number of profiles that are done.
    """
    stored = Stored(history)
    profiles = iter(range(len(history.profile_ids)))
    try:
        async with asyncio.TaskGroup() as readers:
            for _ in range(READERS):
                readers.create_task(_reader(target, token, history, profiles, stored, report_progress))
    except ExceptionGroup as group:
        first = group.exceptions[0]
        if isinstance(first, OSError):
            raise NotReadBackError(f"the server did not answer: {str(first) or 'no answer in time'}") from None
        raise first from None
    return stored


async def _reader(
    target: Target,
    token: str,
    history: History,
    profiles: Iterator[int],
    stored: Stored,
    report_progress: Callable[[int], None],
) -> None:
    requester = Requester(target)
    try:
        for profile in profiles:
            await _profile(requester, target, token, history.profile_ids[profile], profile, stored)
            stored.profiles_read.add(profile)
            report_progress(len(stored.profiles_read))
    finally:
        requester.close()


async def _profile(
    requester: Requester, target: Target, token: str, profile_id: str, profile: int, stored: Stored
) -> None:
    cursor: str | None = None
    while profile_id:  # empty for an answer that was not valid
        status, body = await requester.send(page_request(target, token, profile_id, PAGE, cursor))
        if status == 404:
            return
        if status != 200:
            raise NotReadBackError(f"the events of profile {profile_id} were answered {status}")
        try:
            page = _decode(body)
        except msgspec.DecodeError as error:
            raise NotReadBackError(f"the events of profile {profile_id} are no list of events ({error})") from None
        for event in page.result:
            stored.add(profile, event.id, event.seq)
        if page.next is None:
            return
        cursor = page.next
