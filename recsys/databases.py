"""Databases by their URLs: where a secret comes from, and names that show none."""

import os
from typing import Annotated, Final

from pydantic import PlainSerializer
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from recsys.errors import ConfigError

ENVIRONMENT: Final = "env:"
BACKENDS: Final = ("sqlite", "postgresql")
POSTGRES: Final = "postgresql"
DRIVER: Final = "postgresql+psycopg"
"""What a URL of PostgreSQL means that names no driver."""
UNREADABLE: Final = "***"


def from_environment(url: str, *, place: str) -> str:
    """Return a URL, or the one in the environment variable that ``env:NAME`` names.

    Raises
    ------
    ConfigError
        When there is no such variable.
    """
    if not url.startswith(ENVIRONMENT):
        return url
    name = url.removeprefix(ENVIRONMENT)
    found = os.environ.get(name)
    if not found:
        raise ConfigError(
            f"{place} = {url!r}: the environment variable {name!r} is not set; "
            f"export {name} with the database's URL, such as postgresql://user:password@host/shop"
        )
    return found


def with_driver(url: URL) -> URL:
    """Return a URL with the driver that is meant where it names none."""
    return url.set(drivername=DRIVER) if url.drivername == POSTGRES else url


def name_of(url: URL) -> str:
    """Return a URL as messages show it: options can hold secrets as passwords do."""
    return url.set(query={}).render_as_string(hide_password=True)


def shown(url: str) -> str:
    """Return the text of a URL without its secrets; what is no URL may hold one anywhere.

    Examples
    --------
    >>> shown("env:SHOP_DB"), shown("postgresql://me:secret@shop/db?sslkey=x"), shown("me:secret")
    ('env:SHOP_DB', 'postgresql://me:***@shop/db', '***')
    """
    if url.startswith(ENVIRONMENT):
        return url
    try:
        return name_of(make_url(url))
    except (ArgumentError, ValueError):
        return UNREADABLE


Url = Annotated[str, PlainSerializer(shown)]
"""A URL in a config; a document that the config is written to shows no secret of it."""
