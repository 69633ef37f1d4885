"""DICOM over TLS: the BCP 195 profile of PS3.15 B.9, with or without client certificates."""

import ssl
from enum import StrEnum
from pathlib import Path


class ClientCertificate(StrEnum):
    """Whether peers have to show a certificate."""

    NONE = "none"
    """None is asked for."""
    OPTIONAL = "optional"
    """A peer that shows one must show one of our authority."""
    REQUIRED = "required"
    """A peer without one does not get in."""


def server_context(
    *,
    certificate: Path,
    key: Path,
    client_authority: Path | None = None,
    client_certificate: ClientCertificate = ClientCertificate.NONE,
) -> ssl.SSLContext:
    """Return the context of a TLS door: TLS 1.2 or newer, forward secrecy.

    Args:
        certificate: PEM file with our certificate, and its chain after it.
        key: PEM file with its private key, without a pass phrase.
        client_authority: PEM file with the authorities of peers' certificates.
        client_certificate: whether peers have to show one.

    Raises:
        OSError: a file cannot be read, or is no certificate or key (``ssl.SSLError``).
        ValueError: client certificates are wanted and no authority is named.
    """
    if client_certificate is not ClientCertificate.NONE and client_authority is None:
        raise ValueError("client certificates need client_authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM")
    context.load_cert_chain(certificate, key)
    if client_authority is not None:
        context.load_verify_locations(client_authority)
    match client_certificate:
        case ClientCertificate.NONE:
            context.verify_mode = ssl.CERT_NONE
        case ClientCertificate.OPTIONAL:
            context.verify_mode = ssl.CERT_OPTIONAL
        case ClientCertificate.REQUIRED:
            context.verify_mode = ssl.CERT_REQUIRED
    return context
