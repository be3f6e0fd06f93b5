"""What one method asks of the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from recsys.client.errors import UNREACHABLE, ServiceError

IDEMPOTENT: Final = frozenset(("GET", "PUT", "DELETE"))
TOO_MANY: Final = 429
PASSING: Final = frozenset((None, 502, 503, 504))
"""Statuses of what may be over in a moment; None: no answer. A 500 is a defect, and comes again."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """What is asked of the service; its type is that of the JSON which answers it.

    Attributes
    ----------
    method
        Of HTTP.
    route
        As the service's document spells it, with the names of `ids` in braces.
    ids
        What stands in the path.
    query, body
        What follows the ``?``, and the JSON that is sent; a value None is left out of a query.
    repeatable
        Whether a POST may be sent twice: it only reads, or names what it brings.
    statuses
        Of answers besides those of success.
    """

    method: str
    route: str
    ids: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    repeatable: bool = False
    statuses: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        """The route, which names nobody: errors are logged."""
        return f"{self.method} {self.route}"

    @property
    def path(self) -> str:
        """The path; of an id, everything is escaped that would mean something there."""
        return self.route.format(**{name: _quoted(value) for name, value in self.ids.items()})

    @property
    def parameters(self) -> dict[str, Any]:
        """What follows the ``?``."""
        return {name: value for name, value in self.query.items() if value is not None}

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent twice, whatever became of it."""
        return self.repeatable or self.method in IDEMPOTENT

    def may_go_again(self, failure: ServiceError) -> bool:
        """Whether sending it again does no harm and may help."""
        nothing_done = failure.code == UNREACHABLE or failure.status == TOO_MANY
        return nothing_done or (self.is_repeatable and failure.status in PASSING)


def _quoted(value: str) -> str:
    # Of an id that is "..", too: a path would be shortened by it.
    return quote(value, safe="").replace(".", "%2E")
