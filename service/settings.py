"""What the service takes from the environment."""

import os
from typing import Literal

from recsys.errors import ConfigError
from recsys.types import Config

CONFIG_VARIABLE = "RECSYS_CONFIG"
CLOCK_VARIABLE = "RECSYS_CLOCK"


class Settings(Config):
    """Where the config file is, and as of which moment answers are given."""

    config_path: str
    clock: Literal["data", "now"] = "data"


def settings_from_environment() -> Settings:
    """Read the settings.

    Raises
    ------
    ConfigError
        When a variable has a value that cannot be meant.
    """
    clock = os.environ.get(CLOCK_VARIABLE, "data")
    if clock not in ("data", "now"):
        raise ConfigError(f"{CLOCK_VARIABLE}={clock!r} is neither 'data' nor 'now'")
    path = os.environ.get(CONFIG_VARIABLE, "recsys.toml")
    return Settings(config_path=path, clock="now" if clock == "now" else "data")
