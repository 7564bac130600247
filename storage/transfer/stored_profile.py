"""The checks of a profile's document in exports and imports: fewer than the contract has.

`trackd.core.document_shapes.ProfileDocument` is the shape of the documents that trackd writes. Other tools and older
files may have stored others. A file that the server runs on has to be exportable, so these checks cover the fields
without which the server fails, and no more.
"""

import msgspec
from msgspec import Struct

from trackd.core.document_shapes import Count, Id, Object, ProfileTimes, Traits


class StoredMetadata(Struct, frozen=True):
    time: ProfileTimes


class StoredStats(Struct, frozen=True):
    visits: int
    views: int
    counters: Object


class StoredProfile(Struct, frozen=True):
    """The fields on which the server relies. All others may be missing, or have any value."""

    id: Id
    seq: Count
    metadata: StoredMetadata
    stats: StoredStats
    traits: Traits
    pii: Object
    consents: Object
    segments: list[str]
    interests: Object


stored_profile = msgspec.json.Decoder(StoredProfile).decode
