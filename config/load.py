"""Load the settings. Flags win over the environment, it wins over the TOML file, and that over the defaults."""

import difflib
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from trackd.config.environment import CONFIG_FILE_VARIABLE, PREFIX, TOKEN_VARIABLE, is_service_link
from trackd.config.errors import SettingsError
from trackd.config.settings import Settings, is_list
from trackd.config.store_url import masked
from trackd.config.text_files import read_text

DEFAULT_FILE = Path("trackd.toml")

MAX_SHOWN = 10

REPLACED = dict.fromkeys(["limits.max_condition_bytes", "limits.max_loop_bytes"], "limits.max_call_work")

Origin = Literal["flag", "environment", "file", "default"]
Groups = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """One effective setting. `name` is `group.name`."""

    name: str
    value: Any
    origin: Origin


@dataclass(frozen=True)
class Overridden:
    """A setting that two origins set: that of `winner` has the effect."""

    name: str
    loser: Origin
    winner: Origin


@dataclass(frozen=True)
class Loaded:
    """`warnings` are sentences about environment variables that are ignored."""

    settings: Settings
    origins: Mapping[str, Origin]
    file: Path | None
    warnings: Sequence[str] = ()
    overridden: Sequence[Overridden] = ()

    def each(self) -> Iterator[Setting]:
        for name, group, key in names():
            yield Setting(name, getattr(getattr(self.settings, group), key), self.origins[name])


def names() -> Iterator[tuple[str, str, str]]:
    """Each setting as (`group.key`, `group`, `key`), in the order of the models."""
    for group, field in Settings.model_fields.items():
        model = field.annotation
        assert model is not None
        for key in model.model_fields:
            yield f"{group}.{key}", group, key


def load(flags: Groups | None = None, file: Path | None = None) -> Loaded:
    """Merge all origins into settings.

    `flags` is `{group: {key: value}}`, with None for a flag that was not given. `file` must exist when it is
    named; without it `./trackd.toml` is read if it exists. Raises SettingsError.
    """
    given = {
        group: kept
        for group, values in (flags or {}).items()
        if (kept := {key: value for key, value in values.items() if value is not None})
    }
    path = _file_to_read(file)
    environment, warnings = _environment()
    layers: list[tuple[Origin, Groups]] = [
        ("flag", given),
        ("environment", environment),
        ("file", _read(path) if path else {}),
    ]
    merged: dict[str, Any] = {}
    origins: dict[str, Origin] = {name: "default" for name, _, _ in names()}
    overridden: list[Overridden] = []
    for origin, layer in reversed(layers):
        for group, values in layer.items():
            if group not in Settings.model_fields or not isinstance(values, Mapping):
                raise SettingsError(_unknown(group, values, path))
            before = merged.get(group, {})
            overridden += [
                Overridden(f"{group}.{key}", origins[f"{group}.{key}"], origin) for key in values if key in before
            ]
            merged[group] = {**before, **values}
            origins.update({f"{group}.{key}": origin for key in values})
    try:
        return Loaded(Settings.model_validate(merged), origins, path, warnings, overridden)
    except ValidationError as error:
        raise SettingsError(_sentence(error, origins, path)) from None


def _file_to_read(file: Path | None) -> Path | None:
    path = file or DEFAULT_FILE
    try:
        fault = None if stat.S_ISREG(path.stat().st_mode) else "is not a file"
    except (FileNotFoundError, NotADirectoryError):
        fault = "does not exist"
    except OSError as error:  # for example a link to itself
        raise SettingsError(f"The configuration file {path} cannot be read: {error.strerror}.") from None
    if file is not None and fault is not None:
        raise SettingsError(f"The configuration file {path} {fault}: name another one, or leave it out.")
    return None if fault is not None else path


def _read(path: Path) -> Groups:
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The configuration file {path} is not valid TOML: {error}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"The configuration file {path} is not valid TOML: it is not UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"The configuration file {path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise SettingsError(f"The configuration file {path} cannot be read: {error.strerror}.") from None


def _variable(group: str, key: str) -> str:
    return f"{PREFIX}{group}_{key}".upper()


def _environment() -> tuple[Groups, list[str]]:
    """The settings in the environment, and warnings. TRACKD_SERVER_PORT, in any case, is server.port.

    An empty variable counts as none. Raises SettingsError.
    """
    known = {_variable(group, key): (group, key) for _, group, key in names()}
    layer: dict[str, dict[str, str]] = {}
    empty, links = [], []
    for variable, value in os.environ.items():
        name = variable.upper()
        if not name.startswith(PREFIX) or name in (CONFIG_FILE_VARIABLE, TOKEN_VARIABLE):
            continue
        if not value.strip():
            empty.append(name)
        elif is_service_link(name, value) and (name not in known or name.endswith("_PORT")):
            links.append(variable)
        elif name in known:
            group, key = known[name]
            layer.setdefault(group, {})[key] = value
        else:
            hint = _hint(name, [*known, CONFIG_FILE_VARIABLE, TOKEN_VARIABLE])
            raise SettingsError(
                f"The environment has {variable}={masked(value)!r}, which is not a setting{hint}. "
                "`trackd config` lists all settings."
            )
    return layer, [*_empty_lists(known, empty), *_service_links(links)]


def _empty_lists(known: Mapping[str, tuple[str, str]], empty: Sequence[str]) -> Iterator[str]:
    """A warning for each list that is empty in the environment, and not by default: trackd took it as an empty list."""
    for name in empty:
        group, key = known.get(name, ("", ""))
        if key and getattr(getattr(Settings(), group), key) and is_list(group, key):
            yield f"The variable {name} is empty, and counts as not set: a comma stands for an empty list."


def _service_links(variables: Sequence[str]) -> Iterator[str]:
    if variables:
        shown = ", ".join(sorted(variables, key=len)[:MAX_SHOWN])
        more = f" and {len(variables) - MAX_SHOWN} more" if len(variables) > MAX_SHOWN else ""
        yield (
            f"The environment has variables that Kubernetes or Docker makes for a service, which are ignored: {shown}"
            f"{more}. Without `enableServiceLinks` in the pod there are none."
        )


def _hint(word: str, known: list[str]) -> str:
    for name, replacement in REPLACED.items():
        if word in (name, _variable(*name.split("."))):
            return f" any more: {replacement} has taken its place"
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    ending = [name for name in known if name.endswith(word.removeprefix(PREFIX))]
    return f" (did you mean {(ending or near)[0]}?)" if ending or near else ""


def _unknown(name: str, value: Any, path: Path | None) -> str:
    if name in Settings.model_fields:
        return (
            f"The setting {name} = {_shown(value)} (from {path}) is not allowed: its settings belong into a table "
            f"[{name}]."
        )
    hint = _hint(name, [name for name, _, _ in names()])
    return f"There is no setting {name} = {_shown(value)} (from {path}){hint}. `trackd config` lists all settings."


def _sentence(error: ValidationError, origins: Mapping[str, Origin], path: Path | None) -> str:
    """The first fault as a sentence with the key, its value, its origin and the allowed values."""
    fault = error.errors()[0]
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return _unknown(name, fault["input"], path)
    places = {
        "flag": "the command line",
        "environment": f"the environment as {_variable(*name.partition('.')[::2])}",
        "file": str(path),
    }
    place = places.get(origins.get(name, "file"), str(path))
    allowed = fault["msg"].removeprefix("Value error, ")
    value = _shown(fault["input"])
    return f"The setting {name} = {value} (from {place}) is not allowed: {allowed[:1].lower()}{allowed[1:]}."


def _shown(value: Any) -> str:
    return repr(masked(value) if isinstance(value, str) else value)
