"""How true somebody is to brands: few or many of them, and the shop's own."""

from typing import Any, Final

import narwhals as nw
import pandas as pd

from recsys.events.schema import CATEGORY, USER_ID
from recsys.segments.profiles.family import (
    Family,
    Feature,
    Norms,
    Reading,
    Span,
    collect,
    known,
    norm,
    pooled,
    ratio,
    recorded,
    shrunk,
    values,
)
from recsys.segments.reference import BRAND, OWN_BRAND

BRAND_CONCENTRATION: Final = "brand_concentration"
OWN_BRAND_SHARE: Final = "own_brand_share"
BRANDS: Final = "brands"

STRENGTH: Final = 5.0
"""Pairs of purchase lines that the customers at large count for."""

FEATURES: Final = (
    Feature(
        BRAND_CONCENTRATION,
        "0 to 1",
        "(Σ_c Σ_b n_cb (n_cb − 1) / 2 + 5 · norm) / (Σ_c n_c (n_c − 1) / 2 + 5): of the pairs of "
        "purchase lines of the same category c, those of the same brand b (an unbiased Herfindahl "
        "index), shrunk by 5 pairs to that of all customers; unknown without a pair",
    ),
    Feature(
        OWN_BRAND_SHARE,
        "0 to 1",
        "purchase lines of the shop's own brands / those of a known brand; "
        "unknown in a shop that sells none of its own",
    ),
    Feature(BRANDS, "brands", "distinct brands bought"),
)

_LINES: Final = "lines"
_SAME: Final = "same"
_PAIRS: Final = "pairs"


def measure(reading: Reading) -> pd.DataFrame:
    """Count each user's purchase lines of known brands, and pairs of them."""
    lines = reading.lines.filter(~nw.col(BRAND).is_null()).select(
        USER_ID, nw.col(CATEGORY).fill_null(""), BRAND, OWN_BRAND
    )
    by_brand = lines.group_by(USER_ID, CATEGORY, BRAND).agg(
        nw.len().alias(_LINES), nw.col(OWN_BRAND).max()
    )
    return collect(_brands(by_brand).join(_pairs(by_brand), on=USER_ID, how="inner"))


def _brands(by_brand: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    counted = by_brand.select(
        USER_ID,
        BRAND,
        _LINES,
        (nw.col(_LINES) * nw.col(OWN_BRAND)).alias(OWN_BRAND),
        _twice_pairs().alias(_SAME),
    )
    return counted.group_by(USER_ID).agg(
        nw.col(_LINES, OWN_BRAND, _SAME).sum(), nw.col(BRAND).n_unique().alias(BRANDS)
    )


def _pairs(by_brand: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    categories = by_brand.group_by(USER_ID, CATEGORY).agg(nw.col(_LINES).sum())
    pairs = categories.select(USER_ID, _twice_pairs().alias(_PAIRS))
    return pairs.group_by(USER_ID).agg(nw.col(_PAIRS).sum())


def _twice_pairs() -> nw.Expr:
    return nw.col(_LINES) * (nw.col(_LINES) - 1)


def norms(sums: pd.DataFrame) -> dict[str, float]:
    """Return the concentration and the share of own brands of all customers together."""
    overall = {
        BRAND_CONCENTRATION: pooled(values(sums, _SAME), values(sums, _PAIRS)),
        OWN_BRAND_SHARE: pooled(values(sums, OWN_BRAND), values(sums, _LINES)),
    }
    return known(**overall)


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Work the features out of the sums."""
    del span
    own = ratio(values(sums, OWN_BRAND), values(sums, _LINES))
    columns = {
        BRAND_CONCENTRATION: shrunk(
            values(sums, _SAME) / 2,
            values(sums, _PAIRS) / 2,
            towards=norm(norms, BRAND_CONCENTRATION),
            strength=STRENGTH,
        ),
        OWN_BRAND_SHARE: recorded(own, norm(norms, OWN_BRAND_SHARE)),
        BRANDS: values(sums, BRANDS),
    }
    return pd.DataFrame(columns, index=sums.index)


FAMILY = Family("brand", FEATURES, measure, derive, norms)
