"""Names of environment variables."""

PREFIX = "TRACKD_"
CONFIG_FILE_VARIABLE = f"{PREFIX}CONFIG"
TOKEN_VARIABLE = f"{PREFIX}TOKEN"  # the token of `trackd load`
