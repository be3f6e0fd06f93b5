"""A category tree: each category's parent, and so the path of every item's category."""

from collections.abc import Collection, Mapping

import duckdb
import pandas as pd

from recsys.engines import quote, rows
from recsys.events import mapping
from recsys.events.schema import CATEGORY, CATEGORY_SEPARATOR, PARENT
from recsys.events.splitting import Reading, columns_of, key_rules, split
from recsys.events.validation import Rule

TREE = "category_tree"
TREE_RULES = (
    *key_rules(CATEGORY),
    Rule(
        "category_cycle",
        f"{CATEGORY} IN (SELECT {CATEGORY} FROM on_cycles)",
        "a category stands above itself; correct the parent, for until then it is taken for a root",
    ),
)
DUPLICATE = "duplicate_category"


def remedies() -> dict[str, str]:
    """Return what to do about each reason to reject a category of the tree."""
    return {
        **{rule.reason: rule.remedy for rule in TREE_RULES},
        DUPLICATE: "give every category one parent",
    }


def validate_tree(
    connection: duckdb.DuckDBPyConnection, source: str, columns: mapping.Columns
) -> None:
    """Split the view `source` into the tables ``category_tree`` and ``rejected_category_tree``.

    ``category_tree`` has ``category`` and ``parent``; without one a category is a root. The rows of
    categories that stand above themselves are rejected, so every path in the table has an end.
    """
    theirs = columns_of(connection, source)
    category = mapping.require(CATEGORY, columns, theirs, file=TREE)
    parent = mapping.require(PARENT, columns, theirs, file=TREE)
    read = {CATEGORY: mapping.identifier(category), PARENT: mapping.identifier(parent)}
    links = rows(connection, f"SELECT {', '.join(read.values())} FROM {quote(source)}")
    # Of copies the greatest parent stays, as in `split`.
    parents = dict(sorted((child, above) for child, above in links if child and above))
    looped = pd.DataFrame({CATEGORY: sorted(cycles(parents))}, dtype="str")
    connection.register("on_cycles", looped)
    split(connection, source, TREE, Reading(read, TREE_RULES, key=(CATEGORY,), duplicate=DUPLICATE))
    connection.unregister("on_cycles")


def cycles(parents: Mapping[str, str]) -> set[str]:
    """Return the categories that stand above themselves.

    Examples
    --------
    >>> sorted(cycles({"a": "b", "b": "a", "c": "a", "d": "d"}))
    ['a', 'b', 'd']
    """
    found: set[str] = set()
    walked: dict[str, str] = {}
    for start in parents:
        step = start
        while step in parents and step not in walked:
            walked[step] = start
            step = parents[step]
        # Back on the way of this very walk, and not at the end of an earlier one: a new cycle.
        while walked.get(step) == start and step not in found:
            found.add(step)
            step = parents[step]
    return found


def path(category: str, parents: Mapping[str, str]) -> str:
    """Return a category's path from its root; `parents` has no cycle.

    Examples
    --------
    >>> path("c", {"c": "b", "b": "a"})
    'a > b > c'
    """
    steps = [category]
    while steps[-1] in parents:
        steps.append(parents[steps[-1]])
    return CATEGORY_SEPARATOR.join(reversed(steps))


def climb(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Replace every category of the table ``items`` by its path in the table ``category_tree``.

    Returns
    -------
    list of str
        What was noticed, in words.
    """
    tree = dict(rows(connection, f"SELECT {CATEGORY}, {PARENT} FROM {TREE}"))
    parents = {category: parent for category, parent in tree.items() if parent is not None}
    listed = f"SELECT DISTINCT {CATEGORY} FROM items WHERE {CATEGORY} IS NOT NULL ORDER BY 1"
    names = [row[0] for row in rows(connection, listed)]
    paths = {CATEGORY: names, "path": [path(name, parents) for name in names]}
    connection.register("category_paths", pd.DataFrame(paths, dtype="str"))
    connection.execute(
        f"UPDATE items SET {CATEGORY} = path FROM category_paths "
        f"WHERE items.{CATEGORY} = category_paths.{CATEGORY}"
    )
    connection.unregister("category_paths")
    rootless = set(parents.values()) - tree.keys()
    return [
        *_noted("parents without a row of their own", rootless, "they are taken for roots"),
        *_noted("categories of items that are not in it", set(names) - tree.keys(), "they stay"),
    ]


def _noted(what: str, found: Collection[str], so: str) -> list[str]:
    if not found:
        return []
    return [f"[data] {TREE}: {what}: {len(found):,}, such as {min(found)!r}; {so}"]
