"""The page on metrics, the dashboard and the alert rules name existing metrics, and the page all of them."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.pages import ROOT, page
from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.core.calls import EventOutcome
from trackd.storage.sqlite.store import SqliteStore

PAGE = page("operating/metrics")
DASHBOARD = json.loads((ROOT / "docs" / "grafana.json").read_text())
ALERTS = [
    rule for group in yaml.safe_load((ROOT / "docs" / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
BY_PROMETHEUS = {"job", "instance"}  # labels that each sample gets when it is scraped


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The answer of `GET /metrics` after a call."""
    store = SqliteStore(tmp_path_factory.mktemp("metrics") / "trackd.db")

    async def scrape() -> str:
        async with serving(store, admin=True) as client:
            source = await client.post("/event-source", json={"id": SOURCE_ID, "name": "test"})
            assert source.status_code == 200, source.text
            assert (await client.post("/track", json=payload("s", "page-view"))).status_code == 200
            return (await client.get("/metrics")).text

    return asyncio.run(asyncio.wait_for(scrape(), 30))


@pytest.fixture(scope="module")
def samples(scraped: str) -> dict[str, set[str]]:
    """Labels by the name of the sample."""
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(scraped):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def documented() -> dict[str, set[str]]:
    """The metrics of the table, each with its labels."""
    rows = re.findall(r"^\| (`.+?`) \| (.*?) ?\| ", PAGE, re.MULTILINE)
    return {name: set(re.findall("`(.+?)`", labels)) for names, labels in rows for name in re.findall("`(.+?)`", names)}


def test_prometheus_own_parser_accepts_the_page_and_every_family_has_help_and_type(scraped: str) -> None:
    families = list(text_string_to_metric_families(scraped))
    assert len(families) == len({family.name for family in families}) > 20
    for family in families:
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        assert family.samples, family.name
    typed, helped = (re.findall(rf"^# {kind} (\S+)", scraped, re.MULTILINE) for kind in ("TYPE", "HELP"))
    assert typed == helped
    assert len(set(typed)) == len(families)


def test_the_page_names_every_metric_with_its_labels_and_no_other(scraped: str, samples: dict[str, set[str]]) -> None:
    existing = {name: samples.get(name, set()) for name in re.findall(r"^# TYPE (\S+)", scraped, re.MULTILINE)}
    named = documented()
    assert {name: labels for name, labels in named.items() if name.startswith("trackd_")} == {
        name: labels for name, labels in existing.items() if name.startswith("trackd_")
    }
    # The metrics of the process exist on Linux only.
    assert {name for name in existing if not name.startswith("trackd_")} <= named.keys()


def test_the_names_follow_the_conventions_of_prometheus(scraped: str) -> None:
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)", scraped, re.MULTILINE):
        assert re.fullmatch(r"(trackd|process)_[a-z_]+", name)
        assert name.endswith("_total") == (kind == "counter")


@pytest.mark.parametrize("outcome", get_args(EventOutcome))
def test_the_page_explains_every_outcome(outcome: str) -> None:
    assert f"`{outcome}`" in PAGE


# Queries


def selectors(query: str) -> Iterator[tuple[str, set[str]]]:
    """The samples that a query asks for, each with the labels that it uses. Raises ValueError for an invalid query."""
    found: list[promql_parser.Expr] = []
    expression = promql_parser.parse(query.replace("$__rate_interval", "1m"))
    promql_parser.walk(expression, found.append)
    grouped = {label for node in found if isinstance(node, promql_parser.AggregateExpr) for label in labels_of(node)}
    for node in found:
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name, query
            yield node.name, {matcher.name for matcher in node.matchers.matchers} | grouped


def labels_of(aggregate: promql_parser.AggregateExpr) -> list[str]:
    return list(aggregate.modifier.labels) if aggregate.modifier else []


def assert_can_be_answered(query: str, samples: dict[str, set[str]]) -> None:
    queried = list(selectors(query))
    assert queried, query
    for name, labels in queried:
        assert name in samples, f"{name} of {query}"
        assert labels <= samples[name] | BY_PROMETHEUS, f"{labels} of {query}"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_the_dashboard_asks_for_existing_metrics(panel: dict[str, Any], samples: dict[str, set[str]]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert_can_be_answered(target["expr"], samples)
        queried = dict(selectors(target["expr"]))
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert all("instance" in labels for labels in queried.values())
        assert shown <= BY_PROMETHEUS | set().union(*(samples[name] for name in queried))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_the_alerts_ask_for_existing_metrics_and_describe_the_fault(
    alert: dict[str, Any], samples: dict[str, set[str]]
) -> None:
    assert alert.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert_can_be_answered(alert["expr"], samples)
    assert re.fullmatch(r"\d+m", alert.get("for", "0m"))
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert alert["annotations"].keys() == {"summary", "description"}


def test_an_invalid_query_or_an_unknown_metric_is_found(samples: dict[str, set[str]]) -> None:
    with pytest.raises(ValueError, match="rate"):
        assert_can_be_answered("rate(trackd_calls_total)", samples)
    for wrong in ("trackd_nothing", 'trackd_calls_total{outcome="stored"}', "sum by (part) (trackd_ready)"):
        with pytest.raises(AssertionError):
            assert_can_be_answered(wrong, samples)


# The dashboard


def test_each_group_of_metrics_has_a_panel() -> None:
    queried = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    for name in documented():
        if name.startswith("trackd_"):
            assert name in queried, name


def test_the_data_source_and_the_instance_are_variables() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert variables["instance"]["query"]["query"] == "label_values(trackd_build_info, instance)"


def test_panels_have_their_own_place_and_number() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
