"""One immutable, versioned, checksummed result of training: named arrays and a manifest."""

from recsys.bundle.folder import Bundle
from recsys.bundle.manifest import FORMAT, ArrayEntry, Manifest, content_id
from recsys.bundle.store import BundleStore, StoreConfig

__all__ = [
    "FORMAT",
    "ArrayEntry",
    "Bundle",
    "BundleStore",
    "Manifest",
    "StoreConfig",
    "content_id",
]
