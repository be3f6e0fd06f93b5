"""Everything that can go wrong, as one tree.

::

    RecsysError
    ├── ConfigError       a key, value or option that cannot be meant
    ├── DataError         files or rows that cannot be used
    ├── StoreError        the place where bundles live
    │   └── BundleError   a bundle that is damaged, half-written or of another format
    ├── StateError        the database of users and histories
    ├── NotFoundError     a model version or an experiment that does not exist
    └── CheckError        a check that did not hold

The command line turns them into exit codes (``recsys/cli/exit_codes.py``), the service into
HTTP answers (``service/errors.py``). A message names the value, the place and the remedy.
"""

import difflib
from collections.abc import Iterable


class RecsysError(Exception):
    """What every error of the library descends from."""


class ConfigError(RecsysError):
    """A key, a value or an option that cannot be meant."""


class DataError(RecsysError):
    """Files or rows that cannot be used at all."""


class StoreError(RecsysError):
    """The folder of bundles cannot be read or written."""


class BundleError(StoreError):
    """A bundle that is damaged, half-written or of another format; it is never served."""


class StateError(RecsysError):
    """The database of users and histories cannot be read or written."""


class NotFoundError(RecsysError):
    """A model version or an experiment that does not exist; never a user."""


class CheckError(RecsysError):
    """A check that was asked for did not hold."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name somebody may have meant.

    Examples
    --------
    >>> nearest("spnd", ["orders", "spend"])
    "; did you mean 'spend'?"
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
