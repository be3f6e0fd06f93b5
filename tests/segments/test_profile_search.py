import pytest

from recsys.segments.profiles.search import QUERIES, SEARCH_SHARE, SEARCHES

from .profiled import SPANS, bought, crowd, crowd_profiles, profile, within

NAMES = (SEARCHES, QUERIES, SEARCH_SHARE)


def searched(user, query):
    return {"user_id": user, "event": "search", "query": query, "days": 2}


def test_queries_are_distinct_whatever_their_case_and_blanks():
    words = ["Rye  Bread", "rye bread", "STRASSE", "straße", None, "  "]
    rows = [searched("a", query) for query in words] + [bought("a", "rye", 1)] * 2
    assert profile(rows, NAMES).loc["a"].tolist() == [6, 2, 6 / 8]


def test_who_never_searched_has_searched_for_nothing():
    rows = [bought("a", "rye", 1), searched("b", "milk")]
    assert profile(rows, NAMES).loc["a"].tolist() == [0, 0, 0]


def test_a_query_of_somebody_else_is_not_hers():
    rows = [searched("a", "milk"), searched("b", "milk"), searched("b", "rye")]
    assert profile(rows, NAMES)[QUERIES].tolist() == [1, 2]


def test_a_window_leaves_older_searches_out():
    rows = [{**searched("a", "milk"), "days": 50}, searched("a", "rye"), bought("a", "rye", 1)]
    assert profile(rows, NAMES, days=30.0).loc["a"].tolist() == [1, 1, 1 / 2]


@pytest.mark.parametrize("span", SPANS)
def test_search_equals_a_slow_loop(span):
    found = crowd_profiles()[span]
    rows = within(crowd(), span.days)
    for user in {row["user_id"] for row in rows}:
        hers = [row for row in rows if row["user_id"] == user]
        asked = [row["query"] for row in hers if row["event"] == "search"]
        normal = {" ".join(query.lower().split()) for query in asked if query is not None}
        expected = [len(asked), len(normal - {""}), len(asked) / len(hers)]
        assert found.loc[user, list(NAMES)].tolist() == expected
