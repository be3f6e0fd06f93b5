"""Write the sample shop: `python data/make_sample.py [FOLDER]`; the same values, the same files.

300 customers of a small grocer from January to June, by the project's own simulator. What they want
depends on their age (the informative axis) and not on their region (the uninformative one). They
buy some items again at a pace of the category's own, look before they buy, and sometimes return.
"""

import sys
import tempfile
from pathlib import Path

import pandas as pd

from recsys.simulation import SimulationConfig, simulate

SHOP = SimulationConfig(
    events=14_302,
    seed=28,
    days=181,
    users=300,
    items=240,
    departments=6,
    shelves=4,
    brands=4,
    lifts={"age": 1.2},
    browsing=0.1,
    searches=0.0,
    ratings=0.0,
)
COLUMNS = {
    "events": ["user_id", "item_id", "event", "timestamp", "quantity", "amount", "basket_id"],
    "users": ["user_id", "age", "region"],
    "items": ["item_id", "title", "category", "brand", "price", "available"],
}
PLAIN = {"quantity": 1, "amount": 0.0}
"""What stands for a missing number: simple programs read these files, too."""


def read(shop: Path, name: str) -> pd.DataFrame:
    source = shop / name if name == "events" else shop / f"{name}.parquet"
    frame = pd.read_parquet(source)[COLUMNS[name]]
    if name == "events":
        frame = frame.sort_values("timestamp", kind="stable").fillna(PLAIN)
        frame["quantity"] = frame["quantity"].astype(int)
        frame["timestamp"] = frame["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S")
    return frame


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        simulate(SHOP, Path(scratch))
        for name in COLUMNS:
            frame = read(Path(scratch), name)
            frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
            print(f"{folder / name}.csv: {len(frame):,} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sample")
