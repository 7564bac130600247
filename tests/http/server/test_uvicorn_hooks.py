"""The parts of uvicorn that trackd overrides exist, and the list of them is complete."""

from importlib.metadata import version

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trackd.http.server.connection import Connection
from trackd.http.server.fast_path import TrackConnection
from trackd.http.server.flow_control import PipelineFlowControl
from trackd.http.server.lingering import LingeringConnection
from trackd.http.server.measured_connection import MeasuredConnection
from trackd.http.server.pipelined_connection import PipelinedConnection
from trackd.http.server.request_parsing import RequestParsing
from trackd.http.server.server import Server
from trackd.http.server.uvicorn_hooks import OVERRIDDEN, USED, check_uvicorn_hooks

HOOKS = [(owner, name) for owner, names in OVERRIDDEN.items() for name in names]


@pytest.mark.parametrize(("owner", "name"), HOOKS)
def test_a_method_that_uvicorn_no_longer_has_is_named_with_the_version(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(owner, name)

    with pytest.raises(ImportError) as raised:
        check_uvicorn_hooks()

    sentence = f"uvicorn {version('uvicorn')} has no {owner.__name__}.{name}, which trackd overrides: "
    assert str(raised.value).startswith(sentence)


def test_an_attribute_that_uvicorn_no_longer_has_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(USED, HttpToolsProtocol, ("stream",))

    with pytest.raises(ImportError, match=r"has no HttpToolsProtocol\.stream, which trackd uses"):
        check_uvicorn_hooks()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (PipelinedConnection, HttpToolsProtocol),
        (MeasuredConnection, HttpToolsProtocol),
        (RequestParsing, HttpToolsProtocol),
        (Connection, HttpToolsProtocol),
        (LingeringConnection, HttpToolsProtocol),
        (TrackConnection, HttpToolsProtocol),
        (PipelineFlowControl, FlowControl),
        (Server, uvicorn.Server),
    ],
)
def test_every_override_of_trackd_is_in_the_list(ours: type, theirs: type) -> None:
    overridden = {name for name in vars(ours) if hasattr(theirs, name) and not name.startswith("__")}

    assert overridden <= set(OVERRIDDEN[theirs])
