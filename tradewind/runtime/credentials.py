"""What proves membership of a cluster: a certificate authority of its own and a token, and the TLS made from them.

Every process that speaks TCP makes itself a short-lived certificate from the authority; all of them carry one name, `<cluster id>.tradewind`,
so a certificate says "member of this cluster" and nothing about addresses, which change under NAT and in rehearsals.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

# What ends a membership is a new cluster with a new authority, never a clock: one that jumps, or that a dead battery has set back to 1970, would
# lock the members out of their own cluster. The last date is what RFC 5280 (4.1.2.5) gives to certificates without a well-defined end.
_FROM = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UNTIL = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)


class ClusterCredentials(msgspec.Struct, frozen=True):
    """The secret that makes a process a member of one cluster. It travels over authenticated channels only, never in argv or a log."""

    cluster_id: str
    ca_certificate: bytes
    ca_key: bytes
    token: bytes

    @staticmethod
    def new(cluster_id: str) -> ClusterCredentials:
        """A fresh authority and token for the cluster named cluster_id."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"{cluster_id} authority")
        certificate = (
            _builder(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return ClusterCredentials(
            cluster_id=cluster_id,
            ca_certificate=certificate.public_bytes(serialization.Encoding.PEM),
            ca_key=_key_pem(key),
            token=secrets.token_bytes(32),
        )

    def to_bytes(self) -> bytes:
        """One message that `from_bytes` reads back."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def from_bytes(data: bytes) -> ClusterCredentials:
        """The credentials that `to_bytes` wrote. Raises msgspec.DecodeError when data is something else."""
        return msgspec.msgpack.decode(data, type=ClusterCredentials)

    @property
    def server_name(self) -> str:
        """The name on every member's certificate."""
        return f"{self.cluster_id}.tradewind"

    @property
    def process_name(self) -> str:
        """The name on the certificates that drivers and workers show each other."""
        return f"processes.{self.cluster_id}.tradewind"

    def __repr__(self) -> str:
        return f"ClusterCredentials(cluster_id={self.cluster_id!r}, ...)"


@dataclass(frozen=True, slots=True)
class MemberCertificate:
    """One process's certificate and private key, PEM, signed by the cluster's authority."""

    certificate: bytes
    key: bytes

    @staticmethod
    def issue(credentials: ClusterCredentials, name: str = "") -> MemberCertificate:
        """A new certificate that every member of the cluster accepts, as a client and, by its name (default `server_name`), as a server."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        ca_key = serialization.load_pem_private_key(credentials.ca_key, None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise TypeError(
                "The cluster's authority key is not an elliptic curve key; make new credentials with ClusterCredentials.new."
            )
        ca = x509.load_pem_x509_certificate(credentials.ca_certificate)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(credentials.cluster_id), ca.subject, key)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name or credentials.server_name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        return MemberCertificate(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """The stdlib's TLS settings for both directions; both sides must show a certificate of the cluster."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    server_name: str

    def shake(self, sock: socket.socket, *, server: bool) -> ssl.SSLSocket:
        """The connected socket as one side of TLS, whose handshake is still to be done. Raises OSError, the socket closed, when it has broken."""
        try:
            # What has broken already must not come to wrap_socket, which would leave the descriptor open.
            sock.getpeername()
        except OSError:
            sock.close()
            raise
        if server:
            return self.server.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return self.client.wrap_socket(sock, server_hostname=self.server_name, do_handshake_on_connect=False)


def tls_contexts(credentials: ClusterCredentials, member: MemberCertificate) -> TlsContexts:
    """TLS 1.3 contexts that accept members of this cluster and nobody else."""
    return contexts_of(credentials.ca_certificate, credentials.server_name, member)


def contexts_of(authority: bytes, server_name: str, member: MemberCertificate) -> TlsContexts:
    """As tls_contexts, with the authority's certificate (PEM) and the name that servers must have."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # load_cert_chain reads files only: one in memory, without a name, so that the key is never on a disk.
    descriptor = os.memfd_create("member.pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, member.key + member.certificate)
        for context in (server, client):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
            context.load_verify_locations(cadata=authority.decode())
            context.verify_mode = ssl.CERT_REQUIRED
    finally:
        os.close(descriptor)
    client.check_hostname = True
    server.num_tickets = 0  # sessions are never resumed, and unread tickets turn a quick close into a reset
    return TlsContexts(server, client, server_name)


def _name(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
