"""The command line's own error, and how any error becomes one line and an exit code."""

from __future__ import annotations

from tradewind.cli import exits


class CliError(Exception):
    """Ends the command with one sentence on stderr and this exit code. It pickles."""

    def __init__(self, message: str, exit_code: int = exits.FAILED, hint: str = "") -> None:
        super().__init__(message, exit_code, hint)
        self.message, self.exit_code, self.hint = message, exit_code, hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


def exit_code_of(error: BaseException) -> int | None:
    """The documented exit code for an error that a person caused or can mend; None for a defect of ours."""
    if isinstance(error, CliError):
        return error.exit_code
    for base in type(error).__mro__:
        code = exits.BY_ERROR.get(f"{base.__module__}.{base.__qualname__}")
        if code is not None:
            return code
    if isinstance(error, OSError) and error.filename is not None:
        return exits.BAD_INPUT
    return None


def sentence_of(error: BaseException) -> str:
    """What to print for the error: its own sentence, or the system's words with the file it was about."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}"
    return str(error)
