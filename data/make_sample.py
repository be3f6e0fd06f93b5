"""Write the sample shop: `python data/make_sample.py [FOLDER]`; the same seed, the same files.

300 customers of a small grocer, 180 days. Every customer has a taste for one of six departments
that depends on her age band (the informative axis) and not on her region (the uninformative one).
She buys some items again at a pace of their own, looks before she buys, and sometimes returns.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 7
USERS, ITEMS, DAYS = 300, 240, 180
FIRST_DAY = pd.Timestamp("2024-01-01")
DEPARTMENTS = ("bakery", "dairy", "drinks", "fruit", "household", "snacks")
AGES = ("18-29", "30-44", "45-59", "60+")
REGIONS = ("north", "south", "east", "west")


def make_items(rng: np.random.Generator) -> pd.DataFrame:
    department = rng.integers(len(DEPARTMENTS), size=ITEMS)
    shelf = rng.integers(4, size=ITEMS)
    names = [
        f"{DEPARTMENTS[d]} > {DEPARTMENTS[d]} {s + 1}"
        for d, s in zip(department, shelf, strict=True)
    ]
    return pd.DataFrame(
        {
            "item_id": [f"{n:05d}" for n in range(ITEMS)],
            "title": [f"Item {n}" for n in range(ITEMS)],
            "category": names,
            "brand": rng.choice(["Acme", "Borea", "Casa", "Own"], size=ITEMS),
            "price": np.round(np.exp(rng.normal(1.0, 0.6, size=ITEMS)), 2),
            "available": rng.random(ITEMS) > 0.03,
        }
    )


def make_users(rng: np.random.Generator) -> pd.DataFrame:
    users = pd.DataFrame(
        {
            "user_id": [f"{n:04d}" for n in range(USERS)],
            "age": rng.choice(AGES, size=USERS),
            "region": rng.choice(REGIONS, size=USERS),
        }
    )
    users.loc[rng.random(USERS) < 0.1, "age"] = None
    return users


def preferences(items: pd.DataFrame, age: str | None, rng: np.random.Generator) -> np.ndarray:
    """Chance of each item: how popular it is, times what the age band likes, times own taste."""
    popular = 1.0 / np.arange(1, ITEMS + 1) ** 0.7
    department = items["category"].str.split(" > ").str[0]
    liked = DEPARTMENTS[AGES.index(age)] if age in AGES else None
    own = np.exp(rng.normal(0.0, 0.8, size=ITEMS))
    chance = popular * own * np.where(department == liked, 3.0, 1.0)
    return chance / chance.sum()


def make_events(users: pd.DataFrame, items: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    pace = rng.choice([7, 10, 14, 28], size=ITEMS)
    rows: list[tuple[str, str, str, pd.Timestamp, int, float, str]] = []
    for user_id, age in zip(users["user_id"], users["age"], strict=True):
        chance = preferences(items, age, rng)
        start = 0 if rng.random() < 0.8 else int(rng.integers(DAYS - 10))
        staples = rng.choice(ITEMS, size=5, replace=False, p=chance)
        due = {int(item): float(rng.uniform(0, pace[item])) + start for item in staples}
        for day in np.sort(
            rng.choice(np.arange(start, DAYS), size=min(DAYS - start, 9), replace=False)
        ):
            rows += visit(user_id, int(day), due, pace, chance, items, rng)
    names = ["user_id", "item_id", "event", "timestamp", "quantity", "amount", "basket_id"]
    return pd.DataFrame(rows, columns=names).sort_values("timestamp", kind="stable")


def visit(
    user_id: str,
    day: int,
    due: dict[int, float],
    pace: np.ndarray,
    chance: np.ndarray,
    items: pd.DataFrame,
    rng: np.random.Generator,
) -> list[tuple[str, str, str, pd.Timestamp, int, float, str]]:
    time = (
        FIRST_DAY
        + pd.Timedelta(day, unit="D")
        + pd.Timedelta(int(rng.integers(28800, 72000)), unit="s")
    )
    bought = [item for item, when in due.items() if when <= day]
    for item in bought:
        due[item] = day + pace[item] * float(rng.uniform(0.8, 1.2))
    bought += rng.choice(ITEMS, size=int(rng.integers(0, 2)), replace=False, p=chance).tolist()
    looked = rng.choice(ITEMS, size=2, replace=False, p=chance).tolist()
    basket = f"{user_id}-{day:03d}"
    rows = [(user_id, items["item_id"][i], "view", time, 1, 0.0, basket) for i in looked]
    for i in dict.fromkeys(bought):
        quantity = int(rng.choice([1, 1, 1, 2, 3]))
        amount = round(quantity * float(items["price"][i]), 2)
        rows.append((user_id, items["item_id"][i], "purchase", time, quantity, amount, basket))
        if rng.random() < 0.02:
            later = time + pd.Timedelta(2, unit="D")
            rows.append((user_id, items["item_id"][i], "return", later, quantity, amount, basket))
    return rows


def main(folder: Path) -> None:
    rng = np.random.default_rng(SEED)
    items, users = make_items(rng), make_users(rng)
    events = make_events(users, items, rng)
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (("events", events), ("users", users), ("items", items)):
        frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        print(f"{folder / name}.csv: {len(frame):,} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sample")
