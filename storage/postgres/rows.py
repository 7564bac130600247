"""Columns of profiles and sessions for reads, and the documents of their rows."""

from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from trackd.core.documents import Profile, Session
from trackd.storage.postgres.connection import text_of

PROFILE = "profile.id, seq, revision, doc::text, remembered"
SESSION = (
    f"session.id, profile_id, {text_of('session.inserted')}, {text_of('updated')}, context::text, properties::text"
)


def profile_of(row: Sequence[Any]) -> Profile:
    found_id, seq, revision, doc, memo = row
    return Profile(found_id, seq, revision, Raw(doc.encode()), memo)


def session_of(row: Sequence[Any]) -> Session:
    found_id, profile_id, inserted, updated, context, properties = row
    return Session(found_id, profile_id, inserted, updated, Raw(context.encode()), Raw(properties.encode()))
