"""The event, the user and the item: each column's name is spelled here and nowhere else."""

from typing import Final, NamedTuple

USER_ID: Final = "user_id"
ITEM_ID: Final = "item_id"
EVENT: Final = "event"
TIMESTAMP: Final = "timestamp"
TIME: Final = "time"
"""Inside, a time is microseconds since the epoch, UTC: an int64 on every engine."""
QUANTITY: Final = "quantity"
AMOUNT: Final = "amount"
BASKET_ID: Final = "basket_id"
EVENT_ID: Final = "event_id"
CATEGORY: Final = "category"
AVAILABLE: Final = "available"
PRICE: Final = "price"
MARGIN: Final = "margin"
"""What a shop earns with one piece of an item, in the money of its price."""
VALID_FROM: Final = "valid_from"
PROPERTY: Final = "property"
VALUE: Final = "value"
"""In a long file of items: a row for each property of an item, as it became known."""
PARENT: Final = "parent"
"""In a category tree: the category above."""
CAMPAIGN_ID: Final = "campaign_id"
STARTS: Final = "starts"
ENDS: Final = "ends"
KIND: Final = "kind"
COUPON_ID: Final = "coupon_id"

MICROSECONDS_PER_DAY: Final = 86_400_000_000
MINOR_UNITS: Final = 100
"""Money inside is an integer number of minor units: 12.50 is 1250."""
LONGEST_ID: Final = 256
CATEGORY_SEPARATOR: Final = " > "

PURCHASE: Final = "purchase"
SEARCH: Final = "search"
EVENT_TYPES: Final = (
    "view",
    "favorite",
    "cart",
    PURCHASE,
    "return",
    "rating",
    SEARCH,
    "impression",
    "click",
)


class Field(NamedTuple):
    """One column of the event, as it stands inside.

    Attributes
    ----------
    name
        Our word, the same in files, frames, SQL and HTTP.
    kind
        ``id``, ``text``, ``number``, ``money`` or ``time``: how the raw value is read.
    meaning
        One line for people.
    """

    name: str
    kind: str
    meaning: str


EVENT_FIELDS: Final = (
    Field(USER_ID, "id", "who; required"),
    Field(ITEM_ID, "id", "what; required, except for a search"),
    Field(EVENT, "text", "what was done; the file's default where the column is missing"),
    Field(TIMESTAMP, "time", "when, UTC; optional per file, then for every row"),
    Field(QUANTITY, "number", "how many; missing means one"),
    Field(AMOUNT, "money", "the line's total"),
    Field("discount", "money", "what was taken off the line"),
    Field("currency", "text", "the currency of amount and discount"),
    Field("rating", "number", "the user's rating"),
    Field("sentiment", "number", "imported, from -1 to 1"),
    Field("query", "text", "the words of a search"),
    Field(BASKET_ID, "id", "the basket or order the line belongs to"),
    Field("session_id", "id", "the visit"),
    Field("source", "text", "where the event came from"),
    Field(EVENT_ID, "id", "the same id is the same event; by default a digest of the row"),
    Field("recommendation_id", "id", "the served list that led here"),
)

ITEM_FIELDS: Final = (ITEM_ID, "title", CATEGORY, "brand", PRICE, AVAILABLE, MARGIN, "created_at")
CAMPAIGN_FIELDS: Final = (CAMPAIGN_ID, STARTS, ENDS, KIND, COUPON_ID)
"""The words that only campaigns, whom they were sent to, and redemptions have."""

EVENT_COLUMNS: Final = tuple(
    TIME if field.name == TIMESTAMP else field.name for field in EVENT_FIELDS
)
"""The columns of an accepted event, inside."""
