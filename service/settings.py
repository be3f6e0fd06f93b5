"""What the service takes from the environment."""

import os
from typing import Literal

from recsys.errors import ConfigError
from recsys.types import Config

CONFIG_VARIABLE = "RECSYS_CONFIG"
CLOCK_VARIABLE = "RECSYS_CLOCK"
OPEN_VARIABLE = "RECSYS_OPEN"
PROFILING_VARIABLE = "RECSYS_PROFILING"
PARENT_VARIABLE = "RECSYS_PARENT"
INTAKE_VARIABLE = "RECSYS_INTAKE"


class Settings(Config):
    """Where the config file is, as of which moment answers are given, and who may do what.

    Attributes
    ----------
    config_path
        The config file.
    clock
        ``data``: as of the newest event; ``now``: as of the clock on the wall.
    open
        Whether anybody may do anything without an API key.
    profiling
        Whether a process that answers also works memberships out; `recsys serve` gives that to one
        of its own, see `service.keeper`.
    parent
        The process that started this one, which ends with it; None: it stands alone.
    intake
        The socket of the process that takes events in, see `service.taker`; None: this one does.
    """

    config_path: str
    clock: Literal["data", "now"] = "data"
    open: bool = False
    profiling: bool = True
    parent: int | None = None
    intake: str | None = None


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
    return Settings(
        config_path=os.environ.get(CONFIG_VARIABLE, "recsys.toml"),
        clock="now" if clock == "now" else "data",
        open=_is_on(OPEN_VARIABLE, "0"),
        profiling=_is_on(PROFILING_VARIABLE, "1"),
        parent=_process(PARENT_VARIABLE),
        intake=os.environ.get(INTAKE_VARIABLE),
    )


def _process(variable: str) -> int | None:
    value = os.environ.get(variable)
    if value is None:
        return None
    if not value.isdecimal():
        raise ConfigError(f"{variable}={value!r} is no number of a process")
    return int(value)


def _is_on(variable: str, otherwise: str) -> bool:
    value = os.environ.get(variable, otherwise)
    if value not in ("0", "1"):
        raise ConfigError(f"{variable}={value!r} is neither '0' nor '1'")
    return value == "1"
