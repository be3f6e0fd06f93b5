"""What each kind of error means to a shell."""

from typing import Final

from recsys.errors import (
    CheckError,
    ConfigError,
    DataError,
    NotFoundError,
    RecsysError,
    StateError,
    StoreError,
)

OK: Final = 0
UNEXPECTED: Final = 1
USAGE: Final = 2

EXIT_CODES: Final[dict[type[RecsysError], int]] = {
    ConfigError: USAGE,
    DataError: 3,
    StoreError: 4,
    StateError: 4,
    NotFoundError: 5,
    CheckError: 6,
}
"""Error -> exit code; a subclass has its parent's."""


def exit_code(error: Exception) -> int:
    """Return the exit code of an error; 1 for one that nobody expected."""
    for kind in type(error).__mro__:
        if kind in EXIT_CODES:
            return EXIT_CODES[kind]
    return UNEXPECTED
