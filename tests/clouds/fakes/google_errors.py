"""Google's two forms of an error: the refusal of a call, and the failure inside an operation."""

from __future__ import annotations

from clouds.fakes.wire import Answer

STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS",
          412: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}  # fmt: skip


class Refusal(Exception):
    """A call is refused with this HTTP status and reason."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def answer(self) -> Answer:
        return refused(self.status, self.reason, self.message)


def refused(status: int, reason: str, message: str, *, detail: str = "") -> Answer:
    """The body of a refused call, as Compute Engine writes it; `detail` is the reason of its ErrorInfo, where that is another."""
    details = []
    if detail or reason in ("SERVICE_DISABLED", "RATE_LIMIT_EXCEEDED"):
        told = detail or reason
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": told, "domain": "googleapis.com"}]
    return Answer(
        status,
        {
            "error": {
                "code": status,
                "message": message,
                "status": STATUS.get(status, "UNKNOWN"),
                "errors": [{"message": message, "domain": "global", "reason": reason}],
                **({"details": details} if details else {}),
            }
        },
    )
