"""DICOM over TLS: DCMTK with and without certificates, and mute peers at the handshake."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.dimse.acceptor import serve
from gateway.dimse.access import PeerTable
from gateway.dimse.outgoing import Peer
from gateway.dimse.settings import AcceptorSettings
from gateway.dimse.store_client import StoreClient
from gateway.dimse.storing import Outcome, SendableObject
from gateway.dimse.tls import ClientCertificate, server_context
from kernel.clock import SystemClock
from kernel.identifiers import AETitle
from kernel.identity import ApplicationEntity
from tests.dimse.doors import OUR_TITLE, MemorySink, command, everybody, open_door, until
from tests.dimse.peers import connected
from tests.dimse.samples import write_ct
from tests.dimse.test_store_client import Made


@pytest.fixture
def authority(tmp_path: Path) -> dict[str, Path]:
    """Make a certificate authority, and certificates of the door and of a modality."""
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made: dict[str, Path] = {}
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test Authority")])
    for who in ("ca", "door", "modality"):
        key = ca_key if who == "ca" else ec.generate_private_key(ec.SECP256R1())
        subject = (
            ca_name
            if who == "ca"
            else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, who)])
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=3650))
            .not_valid_after(now + dt.timedelta(days=36500))
            .add_extension(x509.BasicConstraints(ca=who == "ca", path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(ca_key, hashes.SHA256())
        )
        made[who] = tmp_path / f"{who}.pem"
        made[who].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        made[f"{who}-key"] = tmp_path / f"{who}.key"
        made[f"{who}-key"].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
    return made


def settings(
    made: dict[str, Path], wanted: ClientCertificate = ClientCertificate.NONE, **more: float
) -> AcceptorSettings:
    context = server_context(
        certificate=made["door"],
        key=made["door-key"],
        client_authority=made["ca"],
        client_certificate=wanted,
    )
    return AcceptorSettings(tls=context, **more)  # type: ignore[arg-type]


def client(made: dict[str, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(made["ca"]))


async def echo(made: dict[str, Path], port: int, *, certificate: bool) -> tuple[int, str]:
    own = ["+tls", str(made["modality-key"]), str(made["modality"])] if certificate else ["+tla"]
    return await command(
        "echoscu", *own, "+cf", str(made["ca"]), "-aec", "YILIAN", "127.0.0.1", str(port)
    )


async def test_dcmtk_stores_over_tls(authority: dict[str, Path], tmp_path: Path) -> None:
    path = write_ct(tmp_path / "one.dcm", number=1, rows=400)
    sink = MemorySink()
    async with open_door(sink, settings(authority), tls=True) as door:
        host, port = door.tls_addresses[0]
        code, printed = await command(
            "storescu", "+tls", str(authority["modality-key"]), str(authority["modality"]),
            "+cf", str(authority["ca"]), "-aec", "YILIAN", host, str(port), str(path),
        )  # fmt: skip
    assert code == 0, printed
    assert len(sink.kept) == 1


@pytest.mark.parametrize(
    ("wanted", "certificate", "gets_in"),
    [
        (ClientCertificate.NONE, False, True),
        (ClientCertificate.OPTIONAL, False, True),
        (ClientCertificate.OPTIONAL, True, True),
        (ClientCertificate.REQUIRED, True, True),
        (ClientCertificate.REQUIRED, False, False),
    ],
)
async def test_client_certificates_are_asked_for_as_set(
    authority: dict[str, Path], wanted: ClientCertificate, certificate: bool, gets_in: bool
) -> None:
    async with open_door(MemorySink(), settings(authority, wanted), tls=True) as door:
        code, printed = await echo(authority, door.tls_addresses[0][1], certificate=certificate)
    assert (code == 0) is gets_in, printed


async def test_tls_1_1_is_refused(authority: dict[str, Path]) -> None:
    async with open_door(MemorySink(), settings(authority), tls=True) as door:
        old = client(authority)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected(door.tls_addresses[0], tls=old):
                pass


async def test_a_title_that_needs_tls_is_rejected_in_the_clear(
    authority: dict[str, Path],
) -> None:
    peers = PeerTable(
        OUR_TITLE, [ApplicationEntity(ae_title="ECHOSCU", institution="city", tls_required=True)]
    )
    async with open_door(MemorySink(), settings(authority), peers=peers, tls=True) as door:
        plain, printed = await command(
            "echoscu", "-aec", "YILIAN", "127.0.0.1", str(door.addresses[0][1])
        )
        secure, _ = await echo(authority, door.tls_addresses[0][1], certificate=True)
    assert (plain, secure) == (1, 0)
    assert "Calling AE Title Not Recognized" in printed


async def test_mute_peers_at_the_handshake_stop_nobody_and_are_closed(
    authority: dict[str, Path],
) -> None:
    async with open_door(MemorySink(), settings(authority, tls_handshake_s=2.0), tls=True) as door:
        with contextlib.ExitStack() as mute:
            peers = [
                mute.enter_context(
                    contextlib.closing(socket.create_connection(door.tls_addresses[0]))
                )
                for _ in range(20)
            ]
            peers[0].sendall(bytes.fromhex("160301020001"))
            code, printed = await echo(authority, door.tls_addresses[0][1], certificate=True)
            assert code == 0, printed
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(10):
                for peer in peers:
                    peer.settimeout(0)
                    with contextlib.suppress(ConnectionError):
                        while await loop.sock_recv(peer, 100):
                            pass
            await until(lambda: not door.occupancy.pending)


async def test_tls_sockets_need_a_context() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ValueError, match="tls"):
        async with serve(
            [],
            settings=AcceptorSettings(),
            peers=everybody(),
            sink=MemorySink(),
            clock=SystemClock(),
            tls_sockets=[listener],
        ):
            pass


def test_client_certificates_need_an_authority(authority: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="client_authority"):
        server_context(
            certificate=authority["door"],
            key=authority["door-key"],
            client_certificate=ClientCertificate.REQUIRED,
        )


@pytest.mark.parametrize("trusted", [True, False])
async def test_objects_are_sent_over_tls_to_a_peer_whose_certificate_is_known(
    authority: dict[str, Path], trusted: bool
) -> None:
    told: list[Outcome] = []

    async def note(_: SendableObject, outcome: Outcome) -> None:
        told.append(outcome)

    ours = ssl.create_default_context(cafile=authority["ca"] if trusted else None)
    sink = MemorySink()
    async with open_door(sink, settings(authority), tls=True) as door:
        peer = Peer(*door.tls_addresses[0], OUR_TITLE, AETitle("SENDER"), tls=ours)
        await StoreClient(peer).send([Made(1), Made(2)], note)
    statuses = [outcome.status for outcome in told]
    assert statuses == ([0, 0] if trusted else [None, None])
    assert len(sink.kept) == (2 if trusted else 0)
