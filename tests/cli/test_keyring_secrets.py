"""Secrets from the system's keyring, by its own library over a backend that holds them in memory."""

from __future__ import annotations

import click
import keyring
import keyring.errors
import pytest
from keyring.backend import KeyringBackend

from tradewind.cli.submission import secret_values


class InMemory(KeyringBackend):
    priority = 1
    held = {("tradewind", "TOKEN"): "correct horse", ("github", "me"): "battery"}

    def get_password(self, service, username):
        if service == "locked":
            raise keyring.errors.KeyringLocked("it is locked")
        return self.held.get((service, username))

    def set_password(self, service, username, password):
        raise NotImplementedError


@pytest.fixture(autouse=True)
def backend():
    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    yield
    keyring.set_keyring(before)


def test_by_service_and_user_and_the_user_is_the_name_if_not_given():
    assert secret_values(["TOKEN=@keyring:tradewind", "GH=@keyring:github/me"]) == {
        "TOKEN": "correct horse",
        "GH": "battery",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("A=@keyring:tradewind", "the keyring has no tradewind/A; `keyring set tradewind A` puts it there"),
        ("A=@keyring:locked", "the keyring does not answer: it is locked"),
    ],
)
def test_what_is_not_there_is_said(given, said):
    with pytest.raises(click.BadParameter, match=said):
        secret_values([given])
