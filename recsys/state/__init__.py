"""Users and their histories, in a database: the only place where a person is kept."""

from recsys.state.histories import Histories
from recsys.state.store import StateConfig, StateStore

__all__ = ["Histories", "StateConfig", "StateStore"]
