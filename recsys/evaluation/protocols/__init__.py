"""How a shop is split into what may be learnt and what is asked: one file a protocol."""

from collections.abc import Callable, Sequence

from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.protocols.given import given
from recsys.evaluation.protocols.holdout_users import holdout_users
from recsys.evaluation.protocols.leave_last import leave_last
from recsys.evaluation.protocols.question import Asked, Question
from recsys.evaluation.protocols.temporal import temporal
from recsys.evaluation.protocols.warm_up import warm_up
from recsys.events.shop import Shop

PROTOCOLS: dict[str, Callable[..., list[Question]]] = {
    "temporal": temporal,
    "holdout_users": holdout_users,
    "warm_up": warm_up,
    "leave_last": leave_last,
}
"""Those that split one shop by themselves; `given` needs files."""


def split(
    shop: Shop, config: EvaluationConfig, target: Sequence[str], *, seed: int
) -> list[Question]:
    """Split a shop by the configured protocol; see `PROTOCOLS`."""
    return PROTOCOLS[config.protocol](shop, config, target, seed=seed)


__all__ = ["PROTOCOLS", "Asked", "Question", "given", "split"]
