"""Users and their histories, in a database: the only place where a person is kept."""

from recsys.state.changes import Pulse
from recsys.state.events import Taken
from recsys.state.experiments import KeptExperiment
from recsys.state.exposures import Exposure
from recsys.state.items import Fields
from recsys.state.keys import SCOPES, Key, Scope, digest_of_key
from recsys.state.ledger import Entry
from recsys.state.people import CONSENTS, Consent, Person, Receipt
from recsys.state.profiles import Profile
from recsys.state.reader import HistoryReader
from recsys.state.store import StateConfig, StateStore

__all__ = [
    "CONSENTS",
    "SCOPES",
    "Consent",
    "Entry",
    "Exposure",
    "Fields",
    "HistoryReader",
    "KeptExperiment",
    "Key",
    "Person",
    "Profile",
    "Pulse",
    "Receipt",
    "Scope",
    "StateConfig",
    "StateStore",
    "Taken",
    "digest_of_key",
]
