"""Validating properties in tests."""

from trackd.config.settings import Limits
from trackd.core.calls import TrackedEvent
from trackd.core.documents import JsonObject
from trackd.core.encoding import reencode
from trackd.core.rules.faults import Fault
from trackd.core.rules.schemas import Schema
from trackd.core.work import Work


def faults(schema: Schema, properties: JsonObject, work: Work | None = None) -> tuple[Fault, ...]:
    event = TrackedEvent("e", True, "t", "", properties, properties_json=reencode(properties))
    return schema.faults(event, work or Work(Limits().max_call_work))
