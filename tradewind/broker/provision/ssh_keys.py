"""The keys of one data directory: the pair we log in with, and a host key for every instance before it exists.

An instance's host key is derived from a secret of the data directory and the instance's id, so that a daemon that died between buying and
writing down still knows what to pin, and a launch repeated under one token carries the same bytes. The key file is OpenSSH's own format
(PROTOCOL.key), written here because cryptography draws its check bytes at random and so never writes one key twice alike.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import struct

import msgspec

KEY_TYPE = b"ssh-ed25519"
SEED_BYTES = 32
DIRECTORY = "ssh"


class KeyPair(msgspec.Struct, frozen=True):
    """An ed25519 pair: `private` is the text of an OpenSSH key file (secret), `public` one line of authorized_keys or known_hosts."""

    private: str
    public: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r}, ...)"


class KeyRing:
    """The keys under `<data_dir>/ssh` (0700), made when first asked for. Raises OSError when the directory cannot be written."""

    def __init__(self, data_dir: str) -> None:
        self._directory = os.path.join(data_dir, DIRECTORY)

    @property
    def private_path(self) -> str:
        """The file of the private login key, for the person's own `ssh -i`."""
        return os.path.join(self._directory, "id_ed25519")

    def login(self) -> KeyPair:
        """The pair that every instance of this data directory lets in."""
        pair = key_pair(self._secret("login.seed"), comment="tradewind")
        for path, text in ((self.private_path, pair.private), (self.private_path + ".pub", pair.public + "\n")):
            if not os.path.exists(path):
                _write_once(path, text.encode())
        return pair

    def host(self, instance_id: str) -> KeyPair:
        """The host key of the instance with that id of ours."""
        seed = hmac.new(self._secret("host.seed"), b"host key\0" + instance_id.encode(), hashlib.sha256).digest()
        return key_pair(seed, comment=instance_id)

    def _secret(self, name: str) -> bytes:
        path = os.path.join(self._directory, name)
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        if not os.path.exists(path):
            _write_once(path, secrets.token_bytes(SEED_BYTES))
        with open(path, "rb") as file:
            return file.read(SEED_BYTES)


def key_pair(seed: bytes, *, comment: str) -> KeyPair:
    """The ed25519 pair with this 32-byte seed; equal arguments give equal text."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    public_blob = _string(KEY_TYPE) + _string(public)
    check = hashlib.sha256(b"check\0" + public).digest()[:4]
    private = check + check + public_blob + _string(seed + public) + _string(comment.encode())
    private += bytes(range(1, 1 + -len(private) % 8))  # padded to the cipher's block, 8 for "none"
    blob = b"openssh-key-v1\0" + _string(b"none") + _string(b"none") + _string(b"") + struct.pack(">I", 1)
    blob += _string(public_blob) + _string(private)
    body = base64.b64encode(blob).decode()
    lines = "\n".join(body[i : i + 70] for i in range(0, len(body), 70))
    return KeyPair(
        private=f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n",
        public=f"{KEY_TYPE.decode()} {base64.b64encode(public_blob).decode()} {comment}",
    )


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _write_once(path: str, data: bytes) -> None:
    """The file holds somebody's whole data, ours or another process's that came first; only its owner can read it."""
    partial = f"{path}.{secrets.token_hex(4)}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(partial)
