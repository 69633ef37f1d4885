"""What [tls] says is what the doors do."""

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kernel.settings import Settings, Tls
from yilian.wiring.dicom_role import dicom_tls
from yilian.wiring.shell import http_tls


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at)
        .not_valid_after(at + dt.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    certificate, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(certificate), str(private)


def test_an_authority_means_that_dicom_peers_show_a_certificate_and_browsers_need_none(
    pair: tuple[str, str],
) -> None:
    tls = Tls(cert_file=pair[0], key_file=pair[1], client_ca_file=pair[0])
    settings = Settings(tls=tls)
    dicom, http = dicom_tls(settings), http_tls(settings)
    assert dicom is not None
    assert http is not None
    assert dicom.verify_mode is ssl.CERT_REQUIRED
    assert http.verify_mode is ssl.CERT_NONE
    assert min(dicom.minimum_version, http.minimum_version) >= ssl.TLSVersion.TLSv1_2


def test_without_an_authority_none_is_asked_for(pair: tuple[str, str]) -> None:
    made = dicom_tls(Settings(tls=Tls(cert_file=pair[0], key_file=pair[1])))
    assert made is not None
    assert made.verify_mode is ssl.CERT_NONE


def test_without_a_certificate_there_is_no_tls() -> None:
    assert dicom_tls(Settings()) is None
    assert http_tls(Settings()) is None
