"""Events under the names a shop has for them, and columns under several."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.engines import connect, literal, rows
from recsys.errors import ConfigError
from recsys.events import mapping
from recsys.events.schema import EVENT_TYPES
from recsys.events.shop import Shop
from recsys.events.validation import our_event

Read = Callable[..., Shop]
NAMES: dict[str, str | list[str]] = {"purchase": "transaction", "cart": ["addtocart", "Basket"]}


def framed(*events: object) -> pd.DataFrame:
    return pd.DataFrame({"user_id": "1", "item_id": "a", "event": list(events)}, dtype=object)


def test_their_names_are_read_as_ours_in_any_case(read: Read) -> None:
    events = framed("view", "addtocart", " AddToCart\t", "BASKET", "transaction", "cart")
    shop = read(events, event_names=NAMES)
    assert shop.event_counts() == {"cart": 4, "purchase": 1, "view": 1}
    assert shop.reports["events"].rejected == {}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_files_and_frames_are_read_alike(ending: str, tmp_path: Path, read: Read) -> None:
    events, path = framed("Transaction", "view"), tmp_path / f"events.{ending}"
    if ending == "csv":
        events.to_csv(path, index=False)
    elif ending == "jsonl":
        events.to_json(path, orient="records", lines=True)
    else:
        events.to_parquet(path)
    ids = [
        rows(read(source, event_names=NAMES).connection, "SELECT event, event_id FROM events")
        for source in (str(path), events)
    ]
    assert sorted(ids[0]) == sorted(ids[1])
    assert {event for event, _ in ids[0]} == {"purchase", "view"}


def test_an_event_has_the_same_id_under_either_name(read: Read) -> None:
    theirs, ours = read(framed("transaction"), event_names=NAMES), read(framed("purchase"))
    named = [rows(shop.connection, "SELECT event_id FROM events") for shop in (theirs, ours)]
    assert named[0] == named[1]


def test_a_rejected_row_keeps_what_it_said(tmp_path: Path, read: Read) -> None:
    bad = framed("transaction", " Teleport ").assign(item_id=[None, "a"])
    shop = read(pd.concat([bad, framed("view")]), event_names=NAMES)
    assert shop.reports["events"].rejected == {"missing_item_id": 1, "unknown_event": 1}
    (file,) = shop.write_rejected(tmp_path)
    assert sorted(pd.read_parquet(file)["event"]) == [" Teleport ", "transaction"]
    assert "[data.event_names]" in shop.remedies["unknown_event"]


def test_numbers_can_be_names(read: Read) -> None:
    shop = read(framed(1, 4, 4), event_names={"view": "1", "purchase": "4"})
    assert shop.event_counts() == {"purchase": 2, "view": 1}


def test_names_can_be_exchanged_and_quoted(read: Read) -> None:
    exchanged = {"view": "purchase", "purchase": "it's"}
    assert read(framed("purchase", "it's", "it's"), event_names=exchanged).event_counts() == {
        "purchase": 2,
        "view": 1,
    }


def test_a_name_with_a_weight_can_be_meant(read: Read) -> None:
    known = frozenset({*EVENT_TYPES, "gift"})
    shop = read(framed("GIVEN"), event_names={"gift": "given"}, known_events=known)
    assert shop.event_counts() == {"gift": 1}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"purchse": "x"}, r"\[data.event_names\] 'purchse' is no event; did you mean 'purchase'?"),
        ({"zzz": "x"}, r"'zzz' is no event; known are cart, click, favorite"),
        ({"view": ["a", "b"], "cart": " A "}, r"'A' is both 'view' and 'cart'; name it once"),
    ],
)
def test_names_that_cannot_be_meant(
    names: dict[str, str | list[str]], said: str, read: Read
) -> None:
    with pytest.raises(ConfigError, match=said):
        read(framed("view"), event_names=names)


words = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=6)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(words, min_size=1, max_size=20),
    st.dictionaries(st.sampled_from(EVENT_TYPES), st.lists(words, max_size=3)),
)
def test_a_name_is_ours_exactly_where_it_is_listed(
    said: list[str], names: dict[str, list[str]]
) -> None:
    # The first that lists a word has it; two that do are refused before this.
    meant = {
        theirs.strip(mapping.BLANKS).lower(): ours
        for ours, listed in reversed(names.items())
        for theirs in listed
    }
    values = ", ".join(f"({n}, {literal(word)})" for n, word in enumerate(said))
    with connect(threads=1) as connection:
        found = rows(
            connection, f"SELECT {our_event('w', names)} FROM (VALUES {values}) t(n, w) ORDER BY n"
        )
    assert [row[0] for row in found] == [meant.get(word.lower(), word) for word in said]


# columns of several names


def test_of_several_columns_the_first_that_a_file_has_counts(read: Read) -> None:
    events = pd.DataFrame({"household": ["1"], "item_id": ["a"], "when": ["2017-12-01"]})
    users = pd.DataFrame({"customer": ["1"], "city": ["x"]})
    columns = {"user_id": ["household", "customer"], "timestamp": "when"}
    shop = read(events, users=users, columns=columns)
    assert shop.users(as_of=shop.after_all())["city"].to_dict() == {"1": "x"}
    both = events.assign(customer="2")
    assert rows(read(both, users=users, columns=columns).connection, "SELECT user_id FROM events")[
        0
    ] == ("1",)


def test_the_part_of_a_mapping_that_fits_a_file() -> None:
    columns = {"user_id": "household", "timestamp": ["when", "day"], "category": ["x", "y"]}
    assert mapping.fitting(columns, ["Household", "day"]) == {
        "user_id": ["household"],
        "timestamp": ["day"],
    }
    assert mapping.fitting(columns, []) == {}
