"""Where a shop's data are, and what their columns are called."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Discriminator, Field, Tag

from recsys.events.queries import Query
from recsys.types import Config

FILES = (
    "events",
    "users",
    "items",
    "category_tree",
    "campaigns",
    "campaign_users",
    "redemptions",
)
"""The keys of ``[data]`` that name files or queries."""


STATE: Final = "state"
"""In the place of a source of events: those that the state holds."""


def _kind(value: Any) -> str:
    return "table" if isinstance(value, Mapping | Query) else "text"


Named = Annotated[
    Annotated[str, Tag("text")] | Annotated[Query, Tag("table")], Discriminator(_kind)
]
"""A path, a glob, or a table ``{ url, query }``."""


class DataConfig(Config):
    """The ``[data]`` table of the config."""

    events: Named = Field(
        description="a path or a glob of CSV, Parquet or JSONL files, a query of a database, or "
        '"state": the events that the state holds'
    )
    users: Named | None = Field(None, description="a file of users and their attributes")
    items: Named | None = Field(None, description="a file of items: category, brand, price …")
    category_tree: Named | None = Field(
        None, description="a file of categories and the parent of each; items get the whole path"
    )
    campaigns: Named | None = Field(None, description="a file of campaigns: when, of what kind")
    campaign_users: Named | None = Field(None, description="a file of who was sent which campaign")
    redemptions: Named | None = Field(None, description="a file of who redeemed a coupon, and when")
    default_event: str = Field("purchase", description="the event of files without that column")
    where: str | None = Field(
        None, description="an SQL condition on the file's own columns; rows left out are counted"
    )
    end: str | None = Field(
        None, description="a time no row may reach; rows at or after it are rejected"
    )
    time_format: str | None = Field(
        None, description="strptime format of times that are not ISO 8601, such as %m/%d/%Y"
    )
    own_brands: tuple[str, ...] = Field(
        (), description="values of the items' column brand that are the shop's own"
    )
    columns: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="our word = their column; a list for category makes a hierarchy, for another "
        "word the first of the columns that a file has counts",
    )
    event_names: dict[str, str | list[str]] = Field(
        default_factory=dict, description="our event = what their events are called, in any case"
    )
