"""config/trackd.toml is the list of settings that people copy: it may not drift from settings.py."""

import json
import tomllib
from pathlib import Path

import trackd.config.settings
from trackd.config.load import load
from trackd.config.settings import Settings

FILE = Path(trackd.config.settings.__file__).with_name("trackd.toml")


def test_the_default_file_lists_every_setting_with_exactly_its_default_in_the_order_of_the_models() -> None:
    in_file = tomllib.loads(FILE.read_text())
    in_code = Settings().model_dump(mode="json")
    assert json.dumps(in_file, indent=1) == json.dumps(in_code, indent=1)


def test_the_default_file_can_be_loaded_as_it_is() -> None:
    loaded = load(file=FILE)
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"file"}


def test_every_setting_in_the_default_file_has_an_explanation() -> None:
    settings = [line for line in FILE.read_text().splitlines() if " = " in line and not line.startswith("#")]
    assert settings
    assert [line for line in settings if "# " not in line] == []
