import json
import statistics

from tests.bench.clients import BARE, BROWSERS, CLIENTS, OWN_IDS, PROXIED, Clients, browsers


def names(clients: Clients) -> list[set[str]]:
    return [{line.partition(":")[0] for line in head.split("\r\n")} for head in clients.heads]


def test_each_browser_has_a_head_of_its_own() -> None:
    assert len(set(BROWSERS.heads)) == CLIENTS == 500
    usual = {"Origin", "Referer", "User-Agent", "Accept-Language", "Sec-Fetch-Site", "Cookie", "Content-Type"}
    assert all(usual < found for found in names(BROWSERS))


def test_a_proxy_adds_an_address_for_each_browser_and_changes_nothing_else() -> None:
    added = [head.removeprefix(browser) for head, browser in zip(PROXIED.heads, BROWSERS.heads, strict=True)]
    assert all(each.startswith("\r\nX-Forwarded-For: ") for each in added)
    assert all(each.endswith("\r\nX-Forwarded-Proto: https") for each in added)
    assert len(set(added)) == CLIENTS
    assert PROXIED.bodies == BROWSERS.bodies


def test_the_bodies_of_browsers_have_different_lengths_around_the_usual_one() -> None:
    lengths = [len(each) for each in BROWSERS.bodies]
    assert len(set(lengths)) > 20
    [usual] = BARE.bodies
    assert 0.95 < statistics.mean(lengths) / len(usual) < 1.05


def test_all_clients_send_events_of_the_same_types() -> None:
    types = {
        tuple(event["type"] for event in json.loads(each)["events"])
        for clients in (BARE, OWN_IDS, BROWSERS, PROXIED)
        for each in clients.bodies
    }
    assert types == {("page-view", "consent-granted", "product-in-basket")}


def test_heads_and_bodies_are_the_same_in_each_run() -> None:
    assert browsers() == BROWSERS
