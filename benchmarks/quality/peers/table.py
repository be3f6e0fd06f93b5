"""Print what peers and this project reach on each protocol, as Markdown.

    python benchmarks/quality/peers/table.py PEERS.json [OURS.json] [--measure NAME ...]

PEERS.json is what `run.py` wrote, OURS.json what `benchmarks/quality/protocols.py` wrote. A row is
a peer; a column is a question: all users, users by what they bought before, new items only, or a
number of things revealed. The envelope is the best peer of each column, in bold where it stands;
below it each variant of ours and, in brackets, its ratio to the envelope.
"""

import argparse
import json
from pathlib import Path
from typing import Any

Figures = dict[str, float]
"""A figure by column."""
SPLIT = ("recall@20", "ndcg@20")
WARM, EXPLORE = "all", "explore"


def figures(scores: dict[str, Any], measure: str) -> Figures:
    """Return the figures of a scorer's answer, or of its answers by number revealed."""
    if WARM in scores and measure in scores[WARM]:
        return warm_figures(scores, measure)
    if WARM in scores or EXPLORE in scores:
        return warm_figures({**scores.get(WARM, {}), **scores.get(EXPLORE, {})}, measure)
    return {f"n = {n}": scores[n][WARM][measure] for n in sorted(scores, key=int)}


def warm_figures(answer: dict[str, Any], measure: str) -> Figures:
    """Return one answer's figures: all users, bins of history, new items only."""
    found = {WARM: answer[WARM][measure]} if WARM in answer else {}
    bins = answer.get("bins", {})
    if len(bins) > 1:
        found |= {f"{size} items": part[measure] for size, part in bins.items()}
    if EXPLORE in answer:
        found["new items"] = answer[EXPLORE][measure]
    return found


def envelope(rows: dict[str, Figures]) -> Figures:
    """Return the best of each column."""
    best: Figures = {}
    for row in rows.values():
        for column, value in row.items():
            best[column] = max(value, best.get(column, value))
    return best


def text(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def peer_lines(rows: dict[str, Figures], best: Figures) -> list[str]:
    """Return a line for each peer, the best of a column in bold."""
    lines = []
    for name, row in rows.items():
        cells = [text(row.get(column)) for column in best]
        bold = [row.get(column) == best[column] for column in best]
        marked = [f"**{cell}**" if top else cell for cell, top in zip(cells, bold, strict=True)]
        lines.append(line([name, *marked]))
    return lines


def our_lines(rows: dict[str, Figures], best: Figures) -> list[str]:
    """Return a line for each of our variants, with ratios to the envelope."""
    return [
        line([f"ours: {name}", *(beside(row.get(column), best[column]) for column in best)])
        for name, row in rows.items()
    ]


def beside(value: float | None, best: float) -> str:
    """Return a figure and its ratio to the best, where the best is anything."""
    return f"{text(value)} ({value / best:.3f})" if value is not None and best > 0 else text(value)


def table(peers: dict[str, Figures], ours: dict[str, Figures]) -> str:
    """Return one Markdown table."""
    best = envelope(peers)
    head = [line(["", *best]), line(["---"] * (len(best) + 1))]
    middle = line(["envelope", *map(text, best.values())])
    return "\n".join([*head, *peer_lines(peers, best), middle, *our_lines(ours, best)])


def measured(protocol: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in protocol["peers"].items() if "scores" in one}


def reasons(protocol: dict[str, Any]) -> list[str]:
    """Return why peers are not in the table."""
    why = {name: one.get("skipped") or one.get("failed") for name, one in protocol["peers"].items()}
    return [f"- {name}: {reason}" for name, reason in why.items() if reason]


def measures(protocol: dict[str, Any], asked: list[str]) -> list[str]:
    """Return the measures to show: what peers were tuned for, and recall where that is usual."""
    metrics = {one["metric"] for one in measured(protocol).values()}
    return asked or (list(SPLIT) if "ndcg@20" in metrics else sorted(metrics))


def section(name: str, protocol: dict[str, Any], ours: dict[str, Any], asked: list[str]) -> str:
    """Return everything about one protocol."""
    parts = [f"## {name}"]
    for measure in measures(protocol, asked):
        peers = {peer: figures(one["scores"], measure) for peer, one in measured(protocol).items()}
        mine = {variant: figures(scores, measure) for variant, scores in ours.items()}
        parts.append(f"{measure}\n\n{table(peers, mine)}")
    missing = reasons(protocol)
    return "\n\n".join([*parts, *(["Not measured:\n" + "\n".join(missing)] if missing else [])])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", type=Path)
    parser.add_argument("ours", type=Path, nargs="?")
    parser.add_argument("--measure", nargs="+", default=[])
    given = parser.parse_args()
    found = json.loads(given.peers.read_text(encoding="utf-8"))["protocols"]
    ours = json.loads(given.ours.read_text(encoding="utf-8"))["protocols"] if given.ours else {}
    for name, protocol in found.items():
        print(section(name, protocol, ours.get(name, {}).get("scores", {}), given.measure) + "\n")


if __name__ == "__main__":
    main()
