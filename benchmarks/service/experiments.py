"""Whether whole experiments come to the verdict that the truth demands.

    python benchmarks/service/experiments.py [--events 100000] [--days 14] [--seed 1] [--output DIR]

A simulated shop is trained and served by a process of `recsys serve`; its customers come after the
shop's end, are shown lists over HTTP, and click and buy by their own truth. One after the other:

- ``interleaved``: the segment-aware ranking and the popular list, both in one
- ``itself``: a variant against itself under another name
- ``better``, ``worse``: the segment-aware ranking against the popular list, and the other way round
- ``lossy``: ``better`` with a page that loses a quarter of the treatment's customers
- ``campaign``: pins of unwanted items for one age group, against none of them

Then a variant with luck is shown for a while, and what two others would have earned is estimated
from its lists. An offline evaluation comes first, so that the ledger has both sides at the end.

What each verdict has to be is told by the clicks that either variant's lists are worth, worked out
from the truth at the start. Prints one JSON document; with ``--output`` each report is written.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recsys.client import Client, Patience
from recsys.config import load_config
from recsys.experiments import Plan
from recsys.experiments.ledger import ledger_document
from recsys.pipelines.estimate import estimate
from recsys.pipelines.experiment import analyse
from recsys.pipelines.rehearse import LIMIT, rehearse, show
from recsys.simulation import Customers, Truth

sys.path.insert(0, str(Path(__file__).parent))
from serving import Server, recsys, state_of, write

AGE, LOSS = "18-29", 0.25
ALIKE = 0.02
"""A relative difference of expected clicks below it is none."""


def variants(truth: Truth, moment: int) -> str:
    """Return the config of the variants that are tried besides the built-in ones."""
    everybody = truth.preferences(truth.user_ids[:500], moment).mean(axis=0)
    # What is not sold any more would not be listed, pinned or not.
    sold = np.flatnonzero(everybody > 0)
    unwanted = [str(item) for item in truth.items[sold[np.argsort(everybody[sold])[:5]]]]
    return f"""
[model]
factors = 32
[variants.twin]
like = "popular"
[variants.campaign]
like = "popular"
[variants.campaign.rules.spring]
kind = "pin"
items = {json.dumps(unwanted)}
segments = {{ age = ["{AGE}"] }}
[variants.lottery]
like = "popular"
[variants.lottery.exploration]
kind = "swaps"
chance = 0.5
depth = 15
"""


def plans() -> dict[str, Plan]:
    tried = {
        "interleaved": ("popular", "segment_aware"),
        "itself": ("popular", "twin"),
        "better": ("popular", "segment_aware"),
        "worse": ("segment_aware", "popular"),
        "lossy": ("popular", "segment_aware"),
        "campaign": ("campaign", "popular"),
    }
    return {
        name: Plan(
            name=name,
            kind="interleaving" if name == "interleaved" else "ab",
            hypothesis=f"{treatment} is clicked more often than {control}",
            control=control,
            treatments=(treatment,),
            primary="ctr",
            segments=("age",),
        )
        for name, (control, treatment) in tried.items()
    }


def expected(client: Client, plan: Plan, customers: Customers, n: int = 300) -> dict[str, float]:
    """Return the treatment's expected clicks over the control's, of all and of the age group."""
    some = np.linspace(0, len(customers.user_ids) - 1, n).astype(int).tolist()
    worth: dict[str, list[float]] = {}
    ages: list[str] = []
    for user in some:
        user_id = customers.user_ids[user]
        known = client.user_segments(user_id)["segments"]
        ages.append(next((one["name"] for one in known if one["axis"] == "age"), ""))
        for variant in plan.variants:
            answer = client.recommend(user_id, variant=variant, limit=LIMIT)
            items = [item["item_id"] for item in answer["items"]]
            worth.setdefault(variant, []).append(customers.expected_clicks(user, items))
    control, treatment = (np.array(worth[name]) for name in plan.variants)
    group = np.array(ages) == AGE
    return {
        "all": float(treatment.mean() / control.mean() - 1),
        AGE: float(treatment[group].mean() / control[group].mean() - 1),
        "others": float(treatment[~group].mean() / control[~group].mean() - 1),
    }


def demanded(plan: Plan, truth: dict[str, float]) -> str:
    """Return the verdict that the truth demands."""
    gains = truth["all"] > ALIKE
    if plan.kind == "interleaving":
        return "preferred" if gains else "not preferred"
    if plan.name == "lossy":
        return "invalid"
    if truth[AGE] > ALIKE and abs(truth["others"]) < ALIKE:
        return f"ship for these segments only: age:{AGE}"
    return "ship" if gains else "do not ship"


def foretell(
    client: Client, config: Path, customers: Customers, days: range
) -> dict[str, dict[str, Any]]:
    """Show lists drawn by lot, and estimate from them what other variants would have earned."""
    for day in days:
        events = []
        for visit in customers.visits_on(day):
            events += show(client, customers, visit, variant="lottery")
        client.send_events(events)
    # The records of lists follow their answers.
    time.sleep(1.0)
    found = {}
    for variant in ("popular", "popular_by_segment", "segment_aware"):
        plan = Plan(
            name=f"{variant}-unseen",
            hypothesis="it is worth more",
            control="lottery",
            treatments=(variant,),
            primary="ctr",
        )
        told = estimate(load_config(config), variant, "lottery").found
        found[variant] = {
            "truth": expected(client, plan, customers)["all"],
            "estimate": told.difference and asdict(told.difference),
            "lists": told.lists,
            "why not": told.identified.why_not,
        }
    return found


def run_all(
    folder: Path,
    *,
    events: int,
    days: int,
    seed: int,
    names: list[str],
    foretold: bool = True,
    output: Path | None = None,
) -> dict[str, Any]:
    """Run the experiments one after the other, each on later days."""
    shop = folder / "shop"
    recsys("simulate", "-o", shop, "--events", str(events), "--seed", str(seed))
    truth, config = Truth.read(shop), shop / "recsys.toml"
    with config.open("a", encoding="utf-8") as text:
        text.write(variants(truth, truth.config.end_time))
    recsys("train", "-c", config)
    recsys("evaluate", "-c", config)
    customers = Customers(truth, truth.user_ids, seed=seed)
    found: dict[str, Any] = {}
    patience = Patience(deadline=600.0, timeout=600.0)
    with Server(config) as server, Client(server.address, patience=patience) as client:
        for number, name in enumerate(names):
            plan = plans()[name]
            gains = expected(client, plan, customers)
            loses = {plan.treatments[0]: LOSS} if name == "lossy" else {}
            span = range(number * days, (number + 1) * days)
            analysis = rehearse(client, plan, customers, span, loses=loses)
            verdict = analysis["verdict"]
            found[name] = {
                "truth": gains,
                "demanded": demanded(plan, gains),
                "verdict": ": ".join([verdict["answer"], *verdict["segments"]]),
                "users": analysis["users"],
                "reasons": verdict["reasons"],
            }
            print(name, found[name], file=sys.stderr, flush=True)
            if output is not None:
                analyse(load_config(config), name, folder=output / name)
        document: dict[str, Any] = {"experiments": found}
        if foretold:
            span = range(len(names) * days, (len(names) + 1) * days)
            document["never shown"] = foretell(client, config, customers, span)
    with state_of(config) as state:
        document["ledger"] = ledger_document(state.ledger.all())
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description="whole experiments over HTTP")
    parser.add_argument("names", nargs="*", choices=[*plans(), []], default=[])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    sizes = {"events": given.events, "days": given.days, "seed": given.seed}
    with tempfile.TemporaryDirectory() as folder:
        names, output = given.names or list(plans()), given.output
        found = run_all(Path(folder), **sizes, names=names, output=output)
    ended = found["experiments"].values()
    right = sum(one["verdict"] == one["demanded"] for one in ended)
    write({**sizes, "as the truth demands": f"{right} of {len(ended)}", **found})


if __name__ == "__main__":
    main()
