"""The files of `trackd rules try`: an event or a payload, and a profile."""

import json
from pathlib import Path
from typing import Any

import msgspec

from trackd.cli.errors import CommandError
from trackd.config.settings import Limits
from trackd.config.text_files import read_text
from trackd.core.calls import Track
from trackd.core.document_shapes import ProfileDocument
from trackd.core.documents import Profile
from trackd.core.encoding import json_raw, refuse_constant
from trackd.core.profile_document import new_profile
from trackd.core.rules.draft import json_size
from trackd.http.errors import HttpError
from trackd.http.json_text import replace_lone_surrogates
from trackd.http.track.blocked_ids import BlockedIds
from trackd.http.track.decoding import decode
from trackd.http.track.payload import PayloadParser
from trackd.storage.files.system_errors import reason_and_remedy

SOURCE_ID = "rules-try"


def read_call(path: Path, source_id: str | None, user_agent: str | None, now: str, limits: Limits) -> Track:
    """The call that the file's event, list of events or payload makes, received at `now`. Raises CommandError."""
    given = _parsed(path, _read(path))
    if isinstance(given, dict) and "events" in given:
        payload = given
    else:
        payload = {"events": [given] if isinstance(given, dict) else given}
    payload = {"source": {"id": SOURCE_ID}, "session": {"id": SOURCE_ID}, **payload}
    if source_id is not None:
        payload["source"] = {"id": source_id}
    try:
        parsed = PayloadParser(limits.max_events, BlockedIds(limits.blocked_ids)).parse(json.dumps(payload).encode())
        return decode(parsed, number=1, received=now, user_agent=user_agent)
    except HttpError as error:
        raise CommandError(f"{path}: {_first_fault(error.detail)}.") from None


def _first_fault(detail: Any) -> str:
    if isinstance(detail, str):
        return detail.rstrip(".")
    place = ".".join(str(part) for part in detail[0]["loc"][1:])
    return f"{place}: {detail[0]['msg']}" if place else str(detail[0]["msg"])


def read_profile(path: Path, now: str) -> Profile:
    """The profile of the file; values that are left out or null are those of a new profile. Raises CommandError."""
    given = _parsed(path, replace_lone_surrogates(_read(path).encode()))
    doc = _completed(new_profile("given-profile", now), given)
    try:
        msgspec.convert(doc, ProfileDocument)
        json_size(doc)
    except msgspec.ValidationError as error:
        raise CommandError(f"{path} is not a profile of trackd: {error}.") from None
    except ValueError:
        raise CommandError(f"{path} is nested too deep.") from None
    return Profile(doc["id"], doc["seq"], 1, json_raw(doc))


def _completed(default: Any, given: Any) -> Any:
    """`given` with the values of `default` where it has none or null, objects merged with objects."""
    if given is None:
        return default
    if isinstance(default, dict) and isinstance(given, dict):
        parts = {key: _completed(value, given[key]) for key, value in default.items() if key in given}
        return {**default, **given, **parts}
    return given


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be read {reason_and_remedy(error)}.") from None
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}.") from None


def _parsed(path: Path, text: str | bytes) -> Any:
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is not JSON: {error}.") from None
