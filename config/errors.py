"""Errors in settings and rules. Apart from the modules that raise them, so that `trackd --version` loads none."""


class SettingsError(Exception):
    """A setting is wrong: one sentence with its name, value, origin and the allowed values."""


class RulesError(Exception):
    """A rules file cannot be used: one sentence with the file, the rule and the fault."""
