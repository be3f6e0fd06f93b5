"""Where a shop's files are, and what their columns are called."""

from pydantic import Field

from recsys.types import Config


class DataConfig(Config):
    """The ``[data]`` table of the config."""

    events: str = Field(description="a path or a glob of CSV, Parquet or JSONL files")
    users: str | None = Field(None, description="a file of users and their attributes")
    items: str | None = Field(None, description="a file of items: category, brand, price …")
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
    columns: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="our word = their column; a list for category makes a hierarchy",
    )
