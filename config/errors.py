"""What cannot be started with. Apart from what finds it, so that a command can name it without loading that."""


class SettingsError(Exception):
    """A setting that trackd cannot start with, in one sentence for the person who wrote it."""


class RulesError(Exception):
    """Rules that cannot be used: one sentence with the file, the rule and the fault."""
