"""The clients of a load: the headers and the bodies of their requests. The same in each run."""

import json
from dataclasses import dataclass, replace
from random import Random

from tests.bench.payloads import EVENTS, body

CLIENTS = 500
PAGES = 40  # bodies of different lengths
SHOPS = ("https://www.shoe-store.example", "https://shop.garden.example", "https://buecher.example")
LANGUAGES = ("en-US,en;q=0.9", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "fr-FR,fr;q=0.8", "pl,en-US;q=0.7,en;q=0.3", "ja")
WORDS = (
    "classic",
    "running",
    "shoe",
    "for",
    "men",
    "and",
    "women",
    "waterproof",
    "leather",
    "red",
    "size",
    "new",
    "light",
)
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.0.0"
CHROMIUMS = (  # user agent, platform, brand
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36", "Windows", "Google Chrome"),
    (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {CHROME} Safari/537.36", "macOS", "Google Chrome"),
    (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36", "Android", "Google Chrome"),
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/{{0}}.0.0.0", "Windows", "Microsoft Edge"),
)
OTHERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5"
    " Mobile/15E{0} Safari/604.1",
)


@dataclass(frozen=True)
class Clients:
    """Each of `heads` is one client's, its lines without Host and Content-Length. Any client sends any of `bodies`.

    `uuids`: ids of sessions are random UUIDs. `timed`: ids of events begin with the time, as UUIDs of version 7.
    """

    heads: tuple[str, ...]
    bodies: tuple[str, ...]
    uuids: bool = False
    timed: bool = False


def bare(events: int = EVENTS, *, own_ids: bool = False) -> Clients:
    """Clients that send no header more than they must, and always the same body but for its ids."""
    return Clients((_lines({"Content-Type": "application/json"}),), (body(events, own_ids=own_ids),))


def browsers(*, proxied: bool = False) -> Clients:
    """Browsers on pages of different lengths, with UUIDs for their sessions; `proxied`: behind a reverse proxy."""
    random = Random(19)
    pages = tuple(_page(random) for _ in range(PAGES))
    heads = [_browser(random) for _ in range(CLIENTS)]
    if proxied:
        heads = [head | _forwarded(random) for head in heads]
    return Clients(tuple(map(_lines, heads)), pages, uuids=True)


def _lines(headers: dict[str, str]) -> str:
    return "\r\n".join(f"{name}: {value}" for name, value in headers.items())


def _browser(random: Random) -> dict[str, str]:
    shop, version = random.choice(SHOPS), random.randint(120, 145)
    if random.random() < 0.6:
        agent, platform, brand = random.choice(CHROMIUMS)
        hints = {
            "sec-ch-ua-platform": f'"{platform}"',
            "sec-ch-ua": f'"{brand}";v="{version}", "Chromium";v="{version}", "Not/A)Brand";v="24"',
            "sec-ch-ua-mobile": "?1" if platform == "Android" else "?0",
        }
    else:
        agent, hints = random.choice(OTHERS), {}
    return {
        "Connection": "keep-alive",
        "User-Agent": agent.format(version),
        **hints,
        "Content-Type": "application/json",
        "Accept": "*/*",
        "Origin": shop,
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Dest": "empty",
        "Referer": f"{shop}/{_words(random, 1, 6, '-')}",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        "Accept-Language": random.choice(LANGUAGES),
        "Cookie": f"_ga=GA1.1.{random.getrandbits(30)}.17{random.randrange(10**8):08}; cart={random.getrandbits(50):x}",
    }


def _forwarded(random: Random) -> dict[str, str]:
    address = ".".join(str(random.randint(1, 254)) for _ in range(4))
    return {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}


def _page(random: Random) -> str:
    """The usual body with shorter and longer texts in its events, as JSON.stringify writes it."""
    payload = json.loads(body())
    view, _, basket = payload["events"]
    view["properties"] = {"pageTitle": _words(random, 1, 8, " ")}
    view["context"] = {"page": {"url": f"{random.choice(SHOPS)}/{_words(random, 0, 5, '-')}"}}
    basket["properties"] |= {"product": _words(random, 1, 8, " "), "price": random.randint(100, 20_000) / 100}
    return json.dumps(payload, separators=(",", ":"))


def _words(random: Random, least: int, most: int, separator: str) -> str:
    return separator.join(random.choices(WORDS, k=random.randint(least, most)))


BARE, OWN_IDS, BROWSERS, PROXIED = bare(), bare(own_ids=True), browsers(), browsers(proxied=True)
TIMED_IDS = replace(OWN_IDS, timed=True)
