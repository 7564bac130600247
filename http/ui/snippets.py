"""Examples that send an event of a source, ready to paste. Each value is quoted for the place where it is pasted."""

import json
import re
import shlex
from html import escape
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.requests import Request

from trackd.http.paths import REQUESTED_PREFIX
from trackd.http.server.proxy_headers import FORWARDED_HOST
from trackd.http.ui.logins import FOLDER, prefix_seen

HOST = re.compile(r"[\w.-]{1,255}(:[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?", re.ASCII)
EVENT = {"type": "page-view", "properties": {"page": "/"}}


class Snippet(Struct, frozen=True):
    name: str
    """For addresses."""
    title: str
    hint: str
    code: str


def base_url(request: Request) -> str:
    """The address of trackd as the browser sees it, without a slash at its end.

    A page of trackd that led here has the whole truth, if the browser vouches for it. Otherwise the headers of proxies
    and the request itself have it, as far as a proxy passes them on.
    """
    leading = urlsplit(request.headers.get("referer", ""))
    if (
        request.headers.get("sec-fetch-site") == "same-origin"
        and HOST.fullmatch(leading.netloc)
        and FOLDER in leading.path
    ):
        return f"{leading.scheme}://{leading.netloc}{prefix_seen(request)}"
    host = request.scope.get(FORWARDED_HOST) or request.headers.get("host", "")
    if not HOST.fullmatch(host):
        host = "localhost"
    return f"{request.url.scheme}://{host}{request.scope[REQUESTED_PREFIX]}"


def snippets(source_id: str, base: str) -> list[Snippet]:
    """`base`: the address of trackd, as the browser sees it."""
    return [
        Snippet("curl", "Terminal", "Sends one event, with curl.", _curl(source_id, base)),
        Snippet(
            "script", "Web page", "Put it into the head of each page: it sends a page view.", _script(source_id, base)
        ),
        Snippet(
            "tracardi",
            "Web page with Tracardi's snippet",
            "The page has Tracardi's snippet already: only its options change.",
            _tracardi(source_id, base),
        ),
        Snippet("python", "Python", "Sends one event, with the standard library.", _python(source_id, base)),
    ]


def _call(source_id: str) -> dict[str, object]:
    return {"source": {"id": source_id}, "session": {"id": "first-session"}, "events": [EVENT]}


def _curl(source_id: str, base: str) -> str:
    body = json.dumps(_call(source_id), ensure_ascii=False)
    return f"curl {shlex.quote(base)}/track -H 'Content-Type: application/json' -d {shlex.quote(body)}"


def _script(source_id: str, base: str) -> str:
    return f'<script defer src="{escape(base)}/tracker.js" data-source="{escape(source_id)}"></script>'


def _tracardi(source_id: str, base: str) -> str:
    api, source = (json.dumps(value).replace("<", r"\u003c") for value in (base, source_id))
    return f"const options = {{\n  tracker: {{\n    url: {{ api: {api} }},\n    source: {{ id: {source} }},\n  }},\n}};"


def _python(source_id: str, base: str) -> str:
    return f"""import json
from urllib.request import Request, urlopen

call = {{
    "source": {{"id": {json.dumps(source_id, ensure_ascii=False)}}},
    "session": {{"id": "first-session"}},
    "events": [{{"type": "page-view", "properties": {{"page": "/"}}}}],
}}
request = Request({json.dumps(f"{base}/track")}, json.dumps(call).encode(), {{"Content-Type": "application/json"}})
print(urlopen(request).read().decode())"""
