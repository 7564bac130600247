"""The documents name everything that exists: settings, routes, scopes, statuses, options, words of rules."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import PAGES, README, ROOT, blocks, page
from tests.support.forked_command import run_command
from tests.support.serving import application_routes
from trackd.config.load import load
from trackd.core.documents import TokenScope
from trackd.core.rules.conditions import VARIABLES
from trackd.core.rules.operations import OPERATIONS
from trackd.core.rules.step_compiling import TARGETS
from trackd.http.errors import CALL_STATUSES, STATUS
from trackd.http.openapi.description import operations_of

OPEN_TO_ALL = {"POST /track", "GET /healthcheck", "GET /ready"}
SUBCOMMANDS = ("source", "token", "profile", "rules")


def help_of(*command: str) -> str:
    return run_command([*command, "--help"], ROOT, os.environ).stdout


def test_the_readme_has_100_to_130_lines() -> None:
    assert 100 <= len(README.splitlines()) <= 130


def test_the_two_commands_are_the_first_block_of_the_readme() -> None:
    assert [line.split("#")[0].strip() for line in blocks(README, "sh")[0].splitlines()] == ["make run", "make test"]


def shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_settings_page_lists_every_setting_with_its_default_in_the_order_of_the_models() -> None:
    listed = re.findall(
        r"^\| `(\w+\.\w+)` \| (?:`(.+?)`|\(empty\)) \| .+ \|$", page("operating/settings"), re.MULTILINE
    )
    assert listed == [(setting.name, shown(setting.value)) for setting in load().each()]


def test_no_page_names_a_setting_that_does_not_exist() -> None:
    settings = {setting.name for setting in load().each()}
    groups = "|".join({name.split(".")[0] for name in settings})
    named = {name for text in PAGES.values() for name in re.findall(rf"`((?:{groups})\.[a-z]+_[a-z_]+)`", text)}
    assert named - settings == set()


def test_the_api_page_names_every_route() -> None:
    paths = {route.path.replace(":path", "") for route in application_routes()}
    assert "/profile/{id}/export" in paths
    assert [path for path in sorted(paths) if f" {path}`" not in page("http-api")] == []


def test_the_api_page_names_the_scope_of_each_endpoint() -> None:
    table = re.findall(
        r"^\| (`(?:GET|POST|PUT|PATCH|DELETE) /.+?) \| (read|metrics|erase|admin|none) \|",
        page("http-api"),
        re.MULTILINE,
    )
    documented = {endpoint: scope for endpoints, scope in table for endpoint in re.findall("`(.+?)`", endpoints)}
    needed = {f"{method} {path}": str(needs or "none") for method, path, needs in operations_of(application_routes())}
    assert documented == {endpoint: scope for endpoint, scope in needed.items() if endpoint not in OPEN_TO_ALL}


@pytest.mark.parametrize("status", sorted({*CALL_STATUSES, *STATUS.values(), 404, 409} - {200}))
def test_the_table_of_errors_explains_every_status(status: int) -> None:
    assert re.search(rf"^\| [\d, ]*{status}", page("sending-events"), re.MULTILINE)


def test_a_page_shows_every_command() -> None:
    commands = set(re.findall(r"^  ([a-z]+)  ", help_of().split("Commands:")[1], re.MULTILINE))
    for group in SUBCOMMANDS:
        subcommands = re.findall(r"^  ([a-z]+)  ", help_of(group).split("Commands:")[1], re.MULTILINE)
        commands |= {f"{group} {name}" for name in subcommands}
    assert {"serve", "load", "rules try", "token revoke"} <= commands
    text = "\n".join(PAGES.values())
    assert [command for command in sorted(commands) if f"trackd {command}" not in text] == []


def test_a_page_names_every_target_of_make() -> None:
    targets = re.findall(r"^([a-z-]+):.*  ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"run", "test", "check"} <= set(targets)
    text = page("contributing/testing") + README + PAGES["CONTRIBUTING.md"]
    assert [target for target in targets if not re.search(rf"make {target}\b(?!-)", text)] == []


def test_the_load_testing_page_names_every_option() -> None:
    options = set(re.findall(r"^  (--[a-z-]+)", help_of("load"), re.MULTILINE)) - {"--help"}
    assert {"--source", "--first-calls", "--history"} <= options
    assert [option for option in sorted(options) if f"`{option}`" not in page("load-testing")] == []


def test_the_sources_page_names_every_option_of_a_new_source() -> None:
    options = set(re.findall(r"^  (--[a-z-]+)", help_of("source", "add"), re.MULTILINE)) - {"--help", "--config"}
    assert [option for option in sorted(options) if f"`{option}`" not in page("sources-and-tokens")] == []


def test_the_tokens_page_names_every_option_of_a_new_token_and_every_scope() -> None:
    options = set(re.findall(r"^  (--[a-z-]+)", help_of("token", "new"), re.MULTILINE)) - {"--help", "--config", "--db"}
    assert {"--scope", "--expires", "--file"} <= options
    scopes = [f"`{scope}`" for scope in TokenScope]
    text = page("sources-and-tokens").partition("## Tokens")[2]
    assert [name for name in (*sorted(f"`{option}`" for option in options), *scopes) if name not in text] == []


@pytest.mark.parametrize("name", [*VARIABLES, *OPERATIONS, *TARGETS.values()])
def test_the_rules_page_names_every_variable_operation_and_target(name: str) -> None:
    short = name.removesuffix(".*")
    if name in VARIABLES:
        short = name.split(".", 1)[1]
    assert f"`{short}`" in page("rules")


@pytest.mark.parametrize("module", sorted((ROOT / "actors").glob("**/*.py")), ids=lambda path: path.name)
def test_each_module_of_the_actors_has_a_docstring(module: Path) -> None:
    assert module.read_text().startswith('"""')
