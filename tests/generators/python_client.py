"""Sends calls with the client that openapi-python-client makes of the API description.

Its arguments are URL, source and token. It runs in the environment of the generator; `trackd_client` is generated.
"""

import json
import sys

from trackd_client import AuthenticatedClient
from trackd_client.api.profiles import profile, profile_events
from trackd_client.api.sessions import session
from trackd_client.api.sources import add_source
from trackd_client.api.tracking import track
from trackd_client.models import EventPayload, EventPayloadPropertiesType0, Reference, SessionReference, SourceBody
from trackd_client.models import TrackerPayload as Payload

URL, SOURCE, TOKEN = sys.argv[1:]


def main() -> None:
    client = AuthenticatedClient(base_url=URL, token=TOKEN)
    properties = EventPayloadPropertiesType0.from_dict({"total": 34.43})
    events = [EventPayload("purchase-order", id="e-1", properties=properties), EventPayload("page-view")]
    body = Payload(Reference(SOURCE), SessionReference("of/python"), events)

    calls = [track.sync(client=client, body=body, idempotency_key="k") for _ in range(2)]
    profile_id = session.sync("of/python", client=client).profile.id
    absent = profile.sync_detailed("nobody", client=client)
    refused = track.sync(client=client, body=Payload(Reference("nobody"), SessionReference("s"), []))
    seen = {
        "saved": [call.debugging.events.saved for call in calls],
        "seq": calls[0].debugging.events.seq,
        "last": [event.type_ for event in profile_events.sync(profile_id, client=client, limit=1).result],
        "absent": [int(absent.status_code), absent.parsed],
        "added": add_source.sync(client=client, body=SourceBody(name="by Python")).name,
        "refused": refused.detail,
    }
    print(json.dumps(seen))


main()
