"""Where a shop's files are, and what their columns are called."""

from pydantic import Field

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
"""The keys of ``[data]`` that name files."""


class DataConfig(Config):
    """The ``[data]`` table of the config."""

    events: str = Field(description="a path or a glob of CSV, Parquet or JSONL files")
    users: str | None = Field(None, description="a file of users and their attributes")
    items: str | None = Field(None, description="a file of items: category, brand, price …")
    category_tree: str | None = Field(
        None, description="a file of categories and the parent of each; items get the whole path"
    )
    campaigns: str | None = Field(None, description="a file of campaigns: when, of what kind")
    campaign_users: str | None = Field(None, description="a file of who was sent which campaign")
    redemptions: str | None = Field(None, description="a file of who redeemed a coupon, and when")
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
