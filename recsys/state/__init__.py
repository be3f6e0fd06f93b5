"""Users and their histories, in a database: the only place where a person is kept."""

from recsys.state.reader import HistoryReader
from recsys.state.store import StateConfig, StateStore

__all__ = ["HistoryReader", "StateConfig", "StateStore"]
