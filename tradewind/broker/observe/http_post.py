"""One POST to an address that a person named: no redirects, bounded in time, nothing of the answer kept. Blocks."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

TIMEOUT_S = 10.0


class NotDelivered(Exception):  # noqa: N818  the name says what happened
    """The other side did not take it; one clause."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        """Follow none: what is sent goes where the person said, and nowhere else."""


def post(url: str, sent: bytes, headers: Mapping[str, str]) -> None:
    """Return once the address has answered with a status from 200 to 299.

    Raises:
        NotDelivered: it has not.
    """
    request = urllib.request.Request(url, data=sent, headers=dict(headers), method="POST")  # noqa: S310  its scheme was checked
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise NotDelivered(f"it answered {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        raise NotDelivered(str(getattr(error, "reason", error))) from None
