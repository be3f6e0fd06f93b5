"""The service as a storefront sees it: a method for each route, typed answers, typed errors.

Needs the extra ``recsys[client]`` and loads nothing else of the library but its tree of errors.
"""

from recsys.client.client import Client
from recsys.client.connection import Patience
from recsys.client.errors import RefusedError, ServiceError, UnavailableError
from recsys.client.messages import Event

__all__ = ["Client", "Event", "Patience", "RefusedError", "ServiceError", "UnavailableError"]
