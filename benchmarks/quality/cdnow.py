"""BG/NBD and gamma–gamma on the purchases of CDNOW, beside what their authors published.

    RECSYS_DATA=FOLDER python benchmarks/quality/cdnow.py [--output FILE]

`FOLDER/cdnow/events.parquet` holds the purchases of 23,570 customers who first bought in the first
quarter of 1997, until June 1998: `user_id, timestamp, amount`. As published, the first 39 weeks are
learnt from and the next 39 are foretold; a day with several purchases counts once. The published
estimates are of a tenth of the customers, so ours, of all, differ by the error of a sample.
Prints one JSON document of aggregates.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from recsys.segments import bgnbd, gamma_gamma
from recsys.segments.bgnbd import BgNbd, expected_purchases, fit_bgnbd, p_alive
from recsys.segments.gamma_gamma import GammaGamma, expected_value, fit_gamma_gamma
from recsys.types import Floats

LEARNT = pd.Timestamp("1997-09-30")
FORETOLD = pd.Timestamp("1998-06-30")
DAYS = (FORETOLD - LEARNT).days
PUBLISHED = BgNbd(r=0.243, alpha=7 * 4.414, a=0.793, b=2.426)
"""Fader, Hardie & Lee 2005, table 2; their weeks are 7 of our days."""
PUBLISHED_VALUE = GammaGamma(p=6.25, q=3.74, gamma=15.44)
"""Fader & Hardie, "The Gamma-Gamma Model of Monetary Value", 2013; dollars."""
TENTHS = 10
MOST = 7
"""Repeat purchases from which on customers are one bin."""


class Customers(NamedTuple):
    """What is known by the end of the first period, and what came after."""

    x: Floats
    t_x: Floats
    age: Floats
    mean_value: Floats
    later: Floats
    later_value: Floats

    def tenth(self, number: int) -> "Customers":
        """Every tenth customer, by number."""
        return Customers(*(part[number::TENTHS] for part in self))


def read(root: Path) -> Customers:
    """Read the purchases, a row for each customer and day."""
    events = pd.read_parquet(root / "cdnow" / "events.parquet")
    days = events.groupby(["user_id", "timestamp"], as_index=False)["amount"].sum()
    days["first"] = days.groupby("user_id")["timestamp"].transform("min")
    learnt, repeat = days["timestamp"] <= LEARNT, days["timestamp"] > days["first"]
    users = days.groupby("user_id")["first"].min()
    last = days[learnt].groupby("user_id")["timestamp"].max()
    before = days[learnt & repeat].groupby("user_id")["amount"].agg(["size", "mean"])
    after = days[~learnt].groupby("user_id")["amount"].agg(["size", "mean"])
    before, after = before.reindex(users.index), after.reindex(users.index)
    return Customers(
        x=before["size"].fillna(0).to_numpy(float),
        t_x=(last - users).dt.days.to_numpy(float),
        age=(LEARNT - users).dt.days.to_numpy(float),
        mean_value=before["mean"].to_numpy(float),
        later=after["size"].fillna(0).to_numpy(float),
        later_value=after["mean"].to_numpy(float),
    )


def distance(slopes: Floats, learnt: Floats, published: Floats) -> float:
    """How far the estimates of a tenth are from those of all, in units of a random tenth's error.

    Chi-squared of as many degrees of freedom as parameters: the variance of a tenth's estimate
    around that of all is 9 times the variance of the latter.
    """
    off = learnt - published
    return float(off @ (slopes.T @ slopes) @ off) / (TENTHS - 1)


def of_purchases(customers: Customers) -> dict[str, Any]:
    """Learn BG/NBD and hold it against the published estimates."""
    history = customers.x, customers.t_x, customers.age
    start = time.perf_counter()
    found = fit_bgnbd(*history)
    seconds = time.perf_counter() - start
    learnt, published = (np.array([*p.model_dump().values()]) for p in (found, PUBLISHED))
    slopes = bgnbd.gradient(found, *history)
    off = distance(slopes, learnt, published)
    tenths = [fit_bgnbd(*customers.tenth(n)[:3]) for n in range(TENTHS)]
    return {
        "customers": len(customers.x),
        "parameters": in_weeks(found),
        "published, a tenth": in_weeks(PUBLISHED),
        "every tenth, from": in_weeks(tenths, np.min),
        "every tenth, to": in_weeks(tenths, np.max),
        "log-likelihood": float(bgnbd.log_likelihood(found, *history).sum()),
        "log-likelihood at the published": float(bgnbd.log_likelihood(PUBLISHED, *history).sum()),
        "steepest slope by a logarithm": float(np.abs(slopes.sum(axis=0) * learnt).max()),
        "distance of the published": off,
        "p of the distance": float(chi2(len(learnt)).sf(off)),
        "seconds": round(seconds, 2),
    }


def in_weeks(params: BgNbd | list[BgNbd], among: Any = np.min) -> dict[str, float]:
    """Return parameters as they are published: times in weeks."""
    several = params if isinstance(params, list) else [params]
    rows = {name: among([getattr(p, name) for p in several]) for name in BgNbd.model_fields}
    return {name: round(value / (7 if name == "alpha" else 1), 3) for name, value in rows.items()}


def of_the_future(customers: Customers) -> dict[str, Any]:
    """Hold the purchases of the second period against those that were foretold."""
    history = customers.x, customers.t_x, customers.age
    params = fit_bgnbd(*history)
    foretold = expected_purchases(params, *history, DAYS)
    bins = np.minimum(customers.x, MOST).astype(int)
    alive = p_alive(params, *history)
    often = (customers.x > 0) & (alive > 0.5)
    seldom = (customers.x > 0) & (alive <= 0.5)
    return {
        "foretold": float(foretold.sum()),
        "happened": float(customers.later.sum()),
        "ratio": float(foretold.sum() / customers.later.sum()),
        "by repeat purchases before": [
            {
                "before": f"{number}+" if number == MOST else str(number),
                "customers": int((bins == number).sum()),
                "foretold": float(foretold[bins == number].mean()),
                "happened": float(customers.later[bins == number].mean()),
            }
            for number in range(MOST + 1)
        ],
        "mean squared error": {
            "BG/NBD": square(foretold - customers.later),
            "own rate goes on": square(customers.x / customers.age * DAYS - customers.later),
            "mean of all": square(foretold.mean() - customers.later),
        },
        "correlation": float(np.corrcoef(foretold, customers.later)[0, 1]),
        "share that came back, likely alive": float((customers.later[often] > 0).mean()),
        "share that came back, likely gone": float((customers.later[seldom] > 0).mean()),
    }


def square(off: Floats) -> float:
    return float(np.mean(off**2))


def of_values(customers: Customers) -> dict[str, Any]:
    """Learn gamma–gamma, and hold the values of the second period against the expected ones."""
    known = (customers.x > 0) & (customers.mean_value > 0)
    seen = customers.x[known], customers.mean_value[known]
    found = fit_gamma_gamma(*seen)
    learnt, published = (np.array([*p.model_dump().values()]) for p in (found, PUBLISHED_VALUE))
    off = distance(gamma_gamma.gradient(found, *seen), learnt, published)
    again = known & (customers.later_value > 0)
    expected = expected_value(found, customers.x, customers.mean_value)
    error, of_own_mean, of_all = (
        float(np.abs(customers.later_value - guess)[again].mean())
        for guess in (expected, customers.mean_value, np.full(len(known), found.mean))
    )
    return {
        "customers": int(known.sum()),
        "parameters": {name: round(value, 3) for name, value in found.model_dump().items()},
        "published, a tenth": PUBLISHED_VALUE.model_dump(),
        "mean of all": found.mean,
        "published mean of all": PUBLISHED_VALUE.mean,
        "log-likelihood": float(gamma_gamma.log_likelihood(found, *seen).sum()),
        "log-likelihood at the published": float(
            gamma_gamma.log_likelihood(PUBLISHED_VALUE, *seen).sum()
        ),
        "distance of the published": off,
        "p of the distance": float(chi2(len(learnt)).sf(off)),
        "mean absolute error": {
            "gamma–gamma": error, "own mean": of_own_mean, "mean of all": of_all
        },
    }  # fmt: skip


def run(root: Path) -> dict[str, Any]:
    """Return all figures."""
    customers = read(root)
    return {
        "purchases": of_purchases(customers),
        "future": of_the_future(customers),
        "values": of_values(customers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if "RECSYS_DATA" not in os.environ:
        parser.error("RECSYS_DATA names no folder of data sets; see data/README.md")
    result = {"python": platform.python_version(), **run(Path(os.environ["RECSYS_DATA"]))}
    text = json.dumps(result, indent=1, ensure_ascii=False)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
