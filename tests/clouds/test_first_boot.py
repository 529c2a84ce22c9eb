"""The part of the first-boot document that lets a machine end itself for good: carried whole, run for real, silent within the lease."""

from __future__ import annotations

import email
import json
import os
import subprocess
import sys
import time

import pytest

from clouds.fakes.wire import Answer, Request, Wire
from tradewind.broker.clouds import first_boot
from tradewind.broker.provision import user_data

DOCUMENT = '#cloud-config\n{"write_files": [{"path": "/a", "content": "é = 1\\n"}]}\n'


class Cloud:
    """A metadata service and an API on one port; `refuse` answers that many requests with a 503 first."""

    def __init__(self, refuse: int = 0) -> None:
        self.seen: list[Request] = []
        self.refuse = refuse
        self.wire = Wire(self.answer)

    def answer(self, request: Request) -> Answer:
        self.seen.append(request)
        if self.refuse > 0:
            self.refuse -= 1
            return Answer(503)
        return Answer(200, {"access_token": "secret"} if request.path == "/token" else {})

    def deletions(self) -> list[Request]:
        return [request for request in self.seen if request.method == "DELETE"]


def shut_down(cloud: Cloud, tmp_path, lease: str | None) -> subprocess.CompletedProcess:
    """Run what the service runs when the machine shuts down."""
    if lease is not None:
        (tmp_path / "lease").write_text(lease)
    script = first_boot.deletion_script(
        token_url=f"{cloud.wire.url}/token",
        token_header=("Metadata-Flavor", "Google"),
        delete_url=f"{cloud.wire.url}/me?api-version=1",
        lease_file=str(tmp_path / "lease"),
    )
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, timeout=30, check=True)


@pytest.mark.parametrize("lease", ["1000\n", "", "nonsense", None])
def test_after_the_lease_one_authorised_deletion(tmp_path, lease) -> None:
    cloud = Cloud()
    try:
        shut_down(cloud, tmp_path, lease)
    finally:
        cloud.wire.close()
    assert cloud.seen[0].headers["metadata-flavor"] == "Google"
    (order,) = cloud.deletions()
    assert order.headers["authorization"] == "Bearer secret"
    assert (order.path, order.query) == ("/me", {"api-version": "1"})


def test_within_the_lease_nothing(tmp_path) -> None:
    cloud = Cloud()
    try:
        shut_down(cloud, tmp_path, f"{time.time() + 3600:.0f}\n")
    finally:
        cloud.wire.close()
    assert cloud.seen == []


def test_a_cloud_that_does_not_answer_at_once(tmp_path) -> None:
    cloud = Cloud(refuse=1)
    try:
        shut_down(cloud, tmp_path, "1000")
    finally:
        cloud.wire.close()
    assert len(cloud.deletions()) == 1


@pytest.mark.parametrize("document", [DOCUMENT, "#cloud-config\n{}\n"])
def test_both_parts_are_carried_whole(document) -> None:
    whole = first_boot.with_deletion(document, "print('end')\n")
    assert whole == first_boot.with_deletion(document, "print('end')\n"), "equal requests have equal bytes"
    message = email.message_from_string(whole)
    ours, added = message.get_payload()
    assert {part.get_content_type() for part in (ours, added)} == {"text/cloud-config"}
    assert ours.get_payload(decode=True).decode().rstrip() == document.rstrip()
    text = added.get_payload(decode=True).decode()
    assert text.startswith("#cloud-config\n")
    files = {entry["path"]: entry["content"] for entry in json.loads(text.partition("\n")[2])["write_files"]}
    assert files[first_boot.SCRIPT] == "print('end')\n"
    assert f"ExecStop=/usr/bin/python3 {first_boot.SCRIPT}" in files[first_boot.UNIT]


def test_it_reads_the_lease_where_the_document_writes_it() -> None:
    assert first_boot.LEASE_FILE == user_data.LEASE_FILE
