"""What `detect-secrets` does not know: the API keys that this service draws."""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class OwnKeyDetector(RegexBasedDetector):
    """Finds keys of `recsys keys create`, see `recsys.state.keys`."""

    secret_type = "recsys API key"  # noqa: S105  # pragma: allowlist secret
    denylist = (re.compile(r"\brk_[A-Za-z0-9_-]{43}"),)
