"""The EC2 query protocol as far as the shim must read and write it: form parameters in, XML out."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from xml.sax.saxutils import escape

# Parameters that differ between two sendings of one request without making it another one.
VOLATILE = {"Action", "Version", "DryRun"}


def parse_form(body: bytes) -> dict[str, str]:
    """The parameters of a query request."""
    return dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))


def numbered(form: dict[str, str], prefix: str) -> list[str]:
    """The values of a list parameter, `prefix.1`, `prefix.2`, ..."""
    found = [(int(m.group(1)), v) for k, v in form.items() if (m := re.fullmatch(re.escape(prefix) + r"\.(\d+)", k))]
    return [value for _, value in sorted(found)]


def fingerprint(form: dict[str, str]) -> str:
    """Equal for requests that AWS takes for the same under one ClientToken."""
    canonical = "&".join(f"{k}={v}" for k, v in sorted(form.items()) if k not in VOLATILE)
    return hashlib.sha256(canonical.encode()).hexdigest()


def error_xml(code: str, message: str) -> bytes:
    """An EC2 error document."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
        f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error></Errors><RequestID>7a62c49f-347e-4fc4-9331-6e8eEXAMPLE</RequestID></Response>"
    ).encode()


def sts_error_xml(code: str, message: str) -> bytes:
    """An STS error document."""
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error><RequestId>7a62c49f-347e-4fc4-9331-6e8eEXAMPLE</RequestId></ErrorResponse>"
    ).encode()


def without_instances(xml: bytes, hidden: set[str]) -> bytes:
    """A DescribeInstances answer without the reservations of these instances (each of ours is a reservation of its own)."""
    text = xml.decode()
    for instance_id in hidden:
        at = text.find(f"<instanceId>{instance_id}</instanceId>")
        if at < 0:
            continue
        start = text.rfind("<item><reservationId>", 0, at)
        depth, position = 0, start
        for tag in re.finditer(r"</?item>", text[start:]):
            depth += 1 if tag.group() == "<item>" else -1
            position = start + tag.end()
            if depth == 0:
                break
        text = text[:start] + text[position:]
    return text.encode()
