"""What other shops call our words: columns, events, and the properties of long files of items."""

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from recsys.engines import literal, quote, rows
from recsys.events import mapping
from recsys.events.campaigns import CAMPAIGN_USERS, CAMPAIGNS, REDEMPTIONS
from recsys.events.categories import TREE
from recsys.events.schema import (
    AMOUNT,
    AVAILABLE,
    BASKET_ID,
    CAMPAIGN_ID,
    CATEGORY,
    COUPON_ID,
    ENDS,
    EVENT,
    EVENT_ID,
    ITEM_ID,
    KIND,
    PARENT,
    PRICE,
    PROPERTY,
    PURCHASE,
    QUANTITY,
    SEARCH,
    STARTS,
    TIMESTAMP,
    USER_ID,
    VALUE,
)

SYNONYMS: Mapping[str, Sequence[str]] = {
    USER_ID: ("user", "customer_id", "household_id", "household_key", "visitorid", "visitor_id",
              "client_id", "member_id", "customer", "uid", "user_idx"),
    ITEM_ID: ("item", "product_id", "itemid", "sku", "article_id", "stock_code", "stockcode",
              "movie_id", "product", "asin", "item_idx"),
    EVENT: ("event_type", "action", "behavior", "behaviour", "behavior_type"),
    TIMESTAMP: ("transaction_timestamp", "time", "datetime", "date", "event_time", "ts",
                "transaction_dt", "transaction_date", "invoice_date", "invoicedate", "occurred_at",
                "redemption_date", "redemption_time", "redeemed_at"),
    QUANTITY: ("qty", "units", "quantity_sold"),
    AMOUNT: ("sales_value", "line_total", "total", "revenue", "sales_amount", "value"),
    "discount": ("retail_disc", "discount_amount"),
    BASKET_ID: ("order_id", "invoice", "invoice_no", "invoiceno", "transaction_id",
                "transactionid"),
    EVENT_ID: ("uuid",),
    CATEGORY: ("product_category", "subclass", "product_subclass", "categoryid", "category_id",
               "genres", "commodity_desc"),
    "brand": ("brand_name",),
    "title": ("name", "product_name", "product_type", "description"),
    PRICE: ("unit_price", "median_unit_price", "price_usd"),
    PARENT: ("parentid", "parent_id", "parent_category", "parent_category_id"),
    CAMPAIGN_ID: ("campaign", "campaignid"),
    STARTS: ("start_date", "start_day", "start", "starts_at"),
    ENDS: ("end_date", "end_day", "end", "ends_at"),
    KIND: ("campaign_type", "type", "description"),
    COUPON_ID: ("coupon_upc", "coupon", "couponid"),
}  # fmt: skip
"""Our word -> what others call it, lower case; the first that is there is meant."""
EVENT_SYNONYMS: Mapping[str, Sequence[str]] = {
    "view": ("pageview", "productview", "detailpageview", "detail", "pv"),
    "favorite": ("favourite", "fav", "wishlist", "addtowishlist", "like"),
    "cart": ("addtocart", "cartadd", "addtobasket", "basket", "addcart"),
    PURCHASE: ("transaction", "buy", "order", "sale", "checkout"),
    "return": ("refund",),
    "rating": ("rate", "review"),
    SEARCH: ("query",),
    "impression": ("show", "display"),
    "click": ("clk",),
}
"""Our event -> what others call it, lower case and without separators; the first there is meant."""
BROADER = ("department", "section", "division")
"""Columns that stand above the category in a hierarchy."""
WORDS_OF: Mapping[str, Sequence[str]] = {
    "events": (USER_ID, ITEM_ID, EVENT, TIMESTAMP, QUANTITY, AMOUNT, "discount", BASKET_ID,
               EVENT_ID),
    "users": (USER_ID,),
    "items": (ITEM_ID, CATEGORY, "brand", "title", PRICE),
    TREE: (CATEGORY, PARENT),
    CAMPAIGNS: (CAMPAIGN_ID, STARTS, ENDS, KIND),
    CAMPAIGN_USERS: (CAMPAIGN_ID, USER_ID),
    REDEMPTIONS: (CAMPAIGN_ID, USER_ID, TIMESTAMP, COUPON_ID),
}  # fmt: skip
"""File -> the words that are looked for in it."""
SEPARATORS = str.maketrans("", "", "-_ ")


def guess_columns(columns: Mapping[str, Sequence[str]]) -> dict[str, str | list[str]]:
    """Return our word -> their column, only where they differ.

    Parameters
    ----------
    columns
        File -> the names of its columns. Where two files have different names for a word, both.
    """
    found: dict[str, list[str]] = {}
    for file, words in WORDS_OF.items():
        for word in words if file in columns else ():
            _guess(word, columns[file], found.setdefault(word, []))
    # More than one name of the category is a hierarchy: the tree's must be the items'.
    narrow = found.get(CATEGORY, [])[:1] or _present([CATEGORY], columns.get("items", ()))
    broader = [name for name in columns.get("items", ()) if name.lower() in BROADER]
    if CATEGORY in found:
        found[CATEGORY] = [*broader, *narrow] if broader and narrow else found[CATEGORY][:1]
    return {word: names if names[1:] else names[0] for word, names in found.items() if names}


def _guess(word: str, columns: Sequence[str], found: list[str]) -> None:
    if word in columns or _present(found, columns):
        return
    by_name = {name.lower(): name for name in columns}
    names = (by_name[name] for name in (word, *SYNONYMS.get(word, ())) if name in by_name)
    found += list(names)[:1]


def _present(names: Iterable[str], columns: Sequence[str]) -> list[str]:
    return [name for name in names if name in columns]


def has(word: str, names: Sequence[str], columns: mapping.Columns) -> bool:
    """Say whether a file with columns of those names has one of our words."""
    return bool(_present((word, *mapping.names_of(word, columns)), names))


def guess_events(kinds: Iterable[str]) -> dict[str, str]:
    """Return our event -> theirs, for events that are ours under another name.

    Examples
    --------
    >>> guess_events(["view", "Add-to-cart", "swipe"])
    {'cart': 'Add-to-cart'}
    """
    theirs = {kind.lower().translate(SEPARATORS): kind for kind in reversed(list(kinds))}
    found = {}
    for ours, synonyms in EVENT_SYNONYMS.items():
        meant = [theirs[name] for name in (ours, *synonyms) if name in theirs]
        if meant and ours not in theirs.values():
            found[ours] = meant[0]
    return found


def without_properties(
    connection: duckdb.DuckDBPyConnection, items: str, names: Sequence[str]
) -> list[str]:
    """Return the columns that a file of items has once every property is one.

    Parameters
    ----------
    connection, items
        The view of the file.
    names
        Its own columns; those of a file that is not long are returned as they are.
    """
    lower = [name.lower() for name in names]
    if PROPERTY not in lower or VALUE not in lower:
        return list(names)
    words = (*WORDS_OF["items"], AVAILABLE)
    looked_for = {name for word in words for name in (word, *SYNONYMS.get(word, ()))} | {*BROADER}
    listed = ", ".join(map(literal, sorted(looked_for)))
    name = f"lower(trim({quote(PROPERTY)}))"
    statement = f"SELECT DISTINCT {name} FROM {items} WHERE {name} IN ({listed}) ORDER BY 1"
    rest = [n for n in names if n.lower() not in (PROPERTY, VALUE, TIMESTAMP)]
    return [*rest, *(row[0] for row in rows(connection, statement))]
