"""``recsys schema``: the JSON Schema of the config, for editors."""

from recsys.cli.output import print_json
from recsys.config import json_schema


def schema() -> None:
    """Print the JSON Schema of the config, for editors."""
    print_json(json_schema())
