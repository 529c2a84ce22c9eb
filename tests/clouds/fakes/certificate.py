"""A certificate for the fakes that must be asked over TLS, signed by an authority that exists only for the test."""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import os
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = dt.timedelta(days=1)


@functools.cache
def authority_and_server(*names: str) -> tuple[bytes, bytes]:
    """PEM texts: the authority's certificate, and the server's key with its certificate for these names and 127.0.0.1."""
    now = dt.datetime.now(dt.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tradewind test authority")])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tradewind fake")])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)

    def base(subject: x509.Name, public) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )

    authority = (
        base(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    alternatives = [x509.DNSName(n) for n in ("localhost", *names)] + [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    ]
    server = (
        base(name, key.public_key())
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return authority.public_bytes(pem), private + server.public_bytes(pem)


def server_context(*names: str) -> ssl.SSLContext:
    """What a fake listens with."""
    return context_of(authority_and_server(*names)[1])


def context_of(server: bytes) -> ssl.SSLContext:
    """What a fake listens with, from the PEM text of its key and certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(server)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def write_authority(directory: str, *names: str) -> str:
    """The path of the authority's certificate, written into the directory: what a client is told to trust."""
    path = os.path.join(directory, "authority.pem")
    with open(path, "wb") as file:
        file.write(authority_and_server(*names)[0])
    return path
