"""Who may come in, and the reject reason of everybody else."""

import dataclasses

import pytest

from gateway.dimse.access import PeerTable, admit
from gateway.dimse.associate import AssociateRequest, parse_request
from gateway.dimse.ports import Admission, Peer
from gateway.dimse.reject import (
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    CALLED_AE_NOT_RECOGNIZED,
    CALLING_AE_NOT_RECOGNIZED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    RejectReason,
)
from kernel.identifiers import AETitle, InstitutionCode
from kernel.identity import ApplicationEntity
from tests.dimse.wire_bytes import associate_rq

OURS = AETitle("YILIAN")
CT_ROOM = ApplicationEntity(
    ae_title="CT_ROOM",
    institution="north-township",
    host="192.168.7.20",
    max_associations=3,
    charset_hint="GB18030",
)
ROAMING = ApplicationEntity(ae_title="ROAMING", institution="north-township", may_store=False)
SECURE = ApplicationEntity(ae_title="SECURE", institution="city", tls_required=True)
NAMED = ApplicationEntity(ae_title="NAMED", institution="city", host="pacs.city.example")
NETWORK = ApplicationEntity(ae_title="NETWORK", institution="city", host="10.20.0.0/16")


def table(*, loopback: str | None = None) -> PeerTable:
    return PeerTable(
        OURS,
        [CT_ROOM, ROAMING, SECURE, NAMED, NETWORK],
        loopback=InstitutionCode(loopback) if loopback else None,
    )


def ask(
    calling: str,
    address: str = "192.168.7.20",
    *,
    called: str = "YILIAN",
    secure: bool = False,
    loopback: str | None = None,
) -> Admission | RejectReason:
    return table(loopback=loopback).admit(AETitle(calling), AETitle(called), address, secure=secure)


def test_a_known_modality_comes_in_with_what_the_table_says_of_it() -> None:
    assert ask("CT_ROOM") == Admission(
        institution=InstitutionCode("north-township"),
        max_associations=3,
        charset_hint="GB18030",
        may_store=True,
    )


@pytest.mark.parametrize(
    ("calling", "address", "secure"),
    [
        pytest.param("CT_ROOM", "::ffff:192.168.7.20", False, id="ipv4-on-a-dual-stack-socket"),
        pytest.param("ROAMING", "203.0.113.9", False, id="no-address-in-the-table"),
        pytest.param("NAMED", "203.0.113.9", False, id="a-host-name-is-not-looked-up"),
        pytest.param("NETWORK", "10.20.255.1", False, id="inside-its-network"),
        pytest.param("SECURE", "203.0.113.9", True, id="tls-as-required"),
    ],
)
def test_lets_in(calling: str, address: str, secure: bool) -> None:
    assert isinstance(ask(calling, address, secure=secure), Admission)


@pytest.mark.parametrize(
    ("calling", "address", "secure"),
    [
        pytest.param("NOBODY", "192.168.7.20", False, id="unknown-title"),
        pytest.param("NOBODY", "127.0.0.1", False, id="unknown-title-on-loopback"),
        pytest.param("ct_room", "192.168.7.20", False, id="titles-are-case-sensitive"),
        pytest.param("CT_ROOM", "192.168.7.21", False, id="another-address"),
        pytest.param("NETWORK", "10.21.0.1", False, id="outside-its-network"),
        pytest.param("SECURE", "203.0.113.9", False, id="in-the-clear"),
    ],
)
def test_rejects_as_an_unknown_caller(calling: str, address: str, secure: bool) -> None:
    assert ask(calling, address, secure=secure) == CALLING_AE_NOT_RECOGNIZED


def test_rejects_whoever_calls_somebody_else() -> None:
    assert ask("CT_ROOM", called="OTHER") == CALLED_AE_NOT_RECOGNIZED


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_a_demonstration_takes_any_title_from_this_machine(address: str) -> None:
    found = ask("ANYBODY", address, loopback="demo-township")
    assert isinstance(found, Admission)
    assert found.institution == InstitutionCode("demo-township")


def test_a_demonstration_takes_nobody_unknown_from_elsewhere() -> None:
    assert ask("ANYBODY", "192.168.7.99", loopback="demo") == CALLING_AE_NOT_RECOGNIZED


def test_a_replaced_table_counts_from_then_on() -> None:
    peers = table()
    peers.replace([])
    found = peers.admit(AETitle("CT_ROOM"), OURS, "192.168.7.20", secure=False)
    assert found == CALLING_AE_NOT_RECOGNIZED


def test_a_bad_row_does_not_close_the_door_to_others() -> None:
    peers = table()
    peers.replace(
        [
            ApplicationEntity(ae_title="A\\B", institution="city"),
            ApplicationEntity(ae_title="LOST", institution="No Such Institution"),
            CT_ROOM,
        ]
    )
    assert isinstance(peers.admit(AETitle("CT_ROOM"), OURS, CT_ROOM.host, secure=False), Admission)
    found = peers.admit(AETitle("LOST"), OURS, CT_ROOM.host, secure=False)
    assert found == CALLING_AE_NOT_RECOGNIZED


def request(**changes: object) -> AssociateRequest:
    asked = parse_request(associate_rq(called="YILIAN", calling="CT_ROOM")[6:])
    return dataclasses.replace(asked, **changes)  # type: ignore[arg-type]


def test_an_admitted_request_names_its_peer() -> None:
    found = admit(request(), table(), "192.168.7.20", secure=False)
    assert not isinstance(found, RejectReason)
    assert found[0] == Peer(
        calling_ae=AETitle("CT_ROOM"),
        called_ae=OURS,
        address="192.168.7.20",
        institution=InstitutionCode("north-township"),
        charset_hint="GB18030",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"protocol_version": 2}, PROTOCOL_VERSION_NOT_SUPPORTED, id="version-2"),
        pytest.param(
            {"protocol_version": 0, "application_context": ""},
            PROTOCOL_VERSION_NOT_SUPPORTED,
            id="version-comes-first",
        ),
        pytest.param(
            {"application_context": "1.2.3"}, APPLICATION_CONTEXT_NOT_SUPPORTED, id="context-name"
        ),
        pytest.param({"called_ae": b" " * 16}, CALLED_AE_NOT_RECOGNIZED, id="no-called-title"),
        pytest.param({"calling_ae": b" " * 16}, CALLING_AE_NOT_RECOGNIZED, id="no-calling-title"),
        pytest.param(
            {"calling_ae": b"$(touch /tmp/p)\n"}, CALLING_AE_NOT_RECOGNIZED, id="control-character"
        ),
        pytest.param({"calling_ae": b"\xc7\xe0" * 8}, CALLING_AE_NOT_RECOGNIZED, id="no-ascii"),
    ],
)
def test_rejects_with_the_reason_of_the_standard(
    changes: dict[str, object], reason: RejectReason
) -> None:
    assert admit(request(**changes), table(), "192.168.7.20", secure=False) == reason


def test_version_bits_nobody_knows_do_not_matter() -> None:
    found = admit(request(protocol_version=0xFFFF), table(), "192.168.7.20", secure=False)
    assert not isinstance(found, RejectReason)


def test_a_title_padded_with_nul_is_still_that_title() -> None:
    asked = request(calling_ae=b"CT_ROOM".ljust(16, b"\0"))
    assert not isinstance(admit(asked, table(), "192.168.7.20", secure=False), RejectReason)
