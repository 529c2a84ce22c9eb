"""After which failures of a bootstrap another machine is bought, and after which it would be bought in vain."""

from __future__ import annotations

import pytest

from tradewind.broker.provider import ProviderError
from tradewind.broker.provision.agent_client import AgentError, AgentGone
from tradewind.broker.provision.bootstrap import BootstrapError, WrongMachine, is_final
from tradewind.broker.provision.git_source import GitError


def said(code: str) -> ProviderError:
    return ProviderError("gcp", code, "x")


def because(cause: Exception) -> BootstrapError:
    """As it is told once what the machine printed was kept."""
    error = BootstrapError("x")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        WrongMachine("it shows no GPU"),
        said("Install"),
        said("NoPython"),
        said("DiskFull"),
        said("BadSource"),
        because(said("SshRefused")),
        because(said("HostKeyChanged")),
        because(GitError("no such branch")),
    ],
)
def test_what_all_machines_would_do(error: Exception) -> None:
    assert is_final(error, "gcp", own_image=False)


@pytest.mark.parametrize(
    "error",
    [
        said("SshLost"),
        said("SshTimeout"),
        because(said("SshUnreachable")),
        because(AgentGone("gone")),
        AgentError("it failed"),
        TimeoutError(),
        OSError("broken pipe"),
    ],
)
def test_what_this_machine_may_have_done_alone(error: Exception) -> None:
    assert not is_final(error, "gcp", own_image=False)


def test_an_image_that_one_named_oneself_is_suspected_first() -> None:
    assert is_final(because(said("SshUnreachable")), "gcp", own_image=True)
    assert not is_final(because(said("SshLost")), "gcp", own_image=True)


def test_machines_of_ones_own_differ() -> None:
    assert not is_final(said("DiskFull"), "ssh", own_image=False)
    assert is_final(said("BadSource"), "ssh", own_image=False)
