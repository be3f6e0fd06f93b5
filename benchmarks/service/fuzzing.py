"""Whether anything that can be sent makes the service fail, or answer as its document does not say.

    python benchmarks/service/fuzzing.py [--examples 300]

The sample shop is served by a process of `recsys serve`. For every operation of its OpenAPI
document schemathesis makes requests as the document allows them and as it does not; besides, there
are bodies that are nearly right, and some that are no JSON or no text. Prints one JSON document:
answers by status, and every problem: an answer of 5xx, one that the document does not know, an
error in another form.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from pydantic import ValidationError
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from recsys.events.schema import EVENT_FIELDS, EVENT_TYPES
from service.errors import CODES
from service.schemas import ErrorBody

sys.path.insert(0, str(Path(__file__).parent))
from serving import Server, scratch_shop, write

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
JSON_TYPE = "application/json"
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["0001", "00100", "2024-06-01T10:00:00Z", "\ud800", "\x00", "", "x" * 257])
)
ANY = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


class Found:
    """What was answered, and what should not have been."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.problems: dict[str, str] = {}

    def note(self, response: requests.Response) -> None:
        """Count an answer; one of an error has to have the form of errors."""
        self.statuses[response.status_code] += 1
        if response.status_code >= 400:
            check_form(response)

    def run(self, name: str, test: Callable[[], None]) -> None:
        """Run a test of many requests; the smallest one that fails it is kept."""
        try:
            with suppress(Unsatisfiable):
                # Nothing is wrong with a text in a path, whatever it is.
                test()
        except (Exception, FailureGroup) as error:
            self.problems[name] = str(error)
        print(name, self.problems.get(name, "ok"), file=sys.stderr, flush=True)


def check_form(response: requests.Response) -> None:
    """Refuse an answer of 5xx, and what is no error as errors are written."""
    try:
        error = ErrorBody.model_validate_json(response.content).error
    except ValidationError as wrong:
        raise AssertionError(said_of(response)) from wrong
    if error.code not in CODES or response.status_code >= 500:
        raise AssertionError(said_of(response))


def said_of(response: requests.Response) -> str:
    asked = response.request
    return f"{asked.method} {asked.url} {asked.body!r}: {response.status_code} {response.text}"


def fuzz_a_shop(*, examples: int) -> Found:
    """Serve a shop, and ask it for everything."""
    with scratch_shop("sqlite") as (config, _), Server(config) as server:
        return fuzz(server.address, examples=examples)


def fuzz(address: str, *, examples: int) -> Found:
    """Ask a service for everything."""
    found = Found()
    document = requests.get(f"{address}/openapi.json", timeout=60).json()
    schema = schemathesis.openapi.from_dict(document)
    # A key that is made up is refused before anything else is looked at.
    schema.config.generation.with_security_parameters = False
    with requests.Session() as session:
        for name, cases in operations(schema):
            found.run(name, by_cases(cases, address, session, found, examples))
        for name, path, bodies in BODIES:
            found.run(name, by_bodies(address + path, bodies, session, found, examples))
    return found


def operations(schema: Any) -> Iterator[tuple[str, SearchStrategy[Case]]]:
    """Yield requests for every operation, such as are allowed and such as are not."""
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in GenerationMode:
            if mode is GenerationMode.POSITIVE or list(operation.iter_parameters()):
                yield f"{operation.label}, {mode.value}", operation.as_strategy(mode)


def by_cases(
    cases: SearchStrategy[Case],
    address: str,
    session: requests.Session,
    found: Found,
    examples: int,
) -> Callable[[], None]:
    @bounded(examples)
    @given(cases)
    def test(case: Case) -> None:
        response = case.call(base_url=address, session=session)
        found.note(response)
        case.validate_response(response, checks=CHECKS)

    return test


def by_bodies(
    url: str, bodies: SearchStrategy[bytes], session: requests.Session, found: Found, examples: int
) -> Callable[[], None]:
    @bounded(examples)
    @given(bodies)
    def test(body: bytes) -> None:
        headers = {"Content-Type": JSON_TYPE}
        found.note(session.post(url, data=body, headers=headers, timeout=60))

    return test


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )


def as_json(values: SearchStrategy[Any]) -> SearchStrategy[bytes]:
    """Return bodies; what is no JSON to others, such as NaN, is written as Python does."""
    return values.map(lambda value: json.dumps(value).encode())


def nearly(valid: dict[str, SearchStrategy[Any]]) -> SearchStrategy[dict[str, Any]]:
    """Return objects with some of the fields, right or wrong, and sometimes others."""
    fields = {name: right | PLAIN | ANY for name, right in valid.items()}
    more = st.dictionaries(st.text(), ANY, max_size=1)
    known = st.fixed_dictionaries({}, optional=fields)
    return st.builds(lambda known, more: {**more, **known}, known, more)


TIMES = st.datetimes().map(str) | st.integers() | st.sampled_from(["2024-06-01", "now", "9999"])
IDS = st.sampled_from(["0001", "0002", "00100", "00101"])
NUMBERS = st.floats(0, 1e6) | st.integers(0, 10) | st.sampled_from(["1e999", "-0", "1_0", "١"])
EVENT = {
    **{field.name: PLAIN for field in EVENT_FIELDS},
    "user_id": IDS,
    "item_id": IDS,
    "event": st.sampled_from(sorted(EVENT_TYPES)),
    "timestamp": TIMES,
    "quantity": NUMBERS,
    "amount": NUMBERS,
    "rating": NUMBERS,
    "sentiment": st.floats(-1, 1),
}
ITEM = {
    "item_id": IDS,
    "title": st.text(),
    "category": st.text() | st.just("food > food 1"),
    "price": NUMBERS,
    "available": st.booleans(),
    "margin": NUMBERS,
    "created_at": TIMES,
    "color": ANY,
}
REQUEST = {
    "user_id": IDS,
    "limit": st.integers(1, 1000),
    "variant": st.sampled_from(["als", "popular"]),
    "category": st.lists(st.text(), max_size=2),
    "exclude_items": st.lists(IDS, max_size=2),
    "segment": st.lists(st.sampled_from(["age:60+", "region:west"]) | st.text(), max_size=2),
    "history": st.lists(IDS, max_size=3),
    "cart": st.lists(IDS, max_size=3),
    "session_id": st.text(),
    "explain": st.booleans(),
}
BROKEN = st.binary() | st.sampled_from(
    [b"{", b'"\xff"', b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a":' * 50_000, b"1e999", b"NaN"]
)


def listed(name: str, rows: SearchStrategy[Any]) -> SearchStrategy[bytes]:
    return as_json(st.lists(rows, min_size=1, max_size=5).map(lambda rows: {name: rows}))


BODIES = (
    ("events that are nearly right", "/v1/events", listed("events", nearly(EVENT))),
    ("items that are nearly right", "/v1/items:batch", listed("items", nearly(ITEM))),
    (
        "requests that are nearly right",
        "/v1/recommendations:batch",
        listed("requests", nearly(REQUEST)),
    ),
    ("a request that is nearly right", "/v1/recommendations", as_json(nearly(REQUEST))),
    ("any JSON as events", "/v1/events", as_json(ANY)),
    ("no JSON as events", "/v1/events", BROKEN),
    ("no JSON as a request", "/v1/recommendations", BROKEN),
)
"""A name, where they are sent, and bodies."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=300)
    asked = parser.parse_args()
    found = fuzz_a_shop(examples=asked.examples)
    statuses = {str(status): n for status, n in sorted(found.statuses.items())}
    write({"examples": asked.examples, "answers": statuses, "problems": found.problems})


if __name__ == "__main__":
    main()
