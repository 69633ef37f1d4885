"""Extended negotiation of queries (PS3.4 C.5.1.1): what is offered, and what is agreed."""

import pytest
from hypothesis import given, strategies as st
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from gateway.dimse.associate import ExtendedNegotiation
from gateway.dimse.query_options import QueryOptions, agree
from gateway.dimse.sop_classes import MODALITY_WORKLIST, PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from tests.query_retrieve.pacs import Pacs


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        pytest.param(b"\1", b"\1", id="relational"),
        pytest.param(b"\0\1", b"\0\1", id="moments"),
        pytest.param(b"\1\1\1\1", b"\1\1\1\0", id="no-time-zone-adjustment"),
        pytest.param(b"\1\1\1\1\1", b"\1\1\1\0\0", id="nothing-of-later-editions"),
        pytest.param(b"\0\0\0", b"\0\0\0", id="nothing-asked"),
    ],
)
def test_what_is_served_is_agreed(asked: bytes, agreed: bytes) -> None:
    for sop_class in (PATIENT_ROOT_FIND, STUDY_ROOT_FIND):
        answer = agree(ExtendedNegotiation(sop_class, asked))
        assert answer == ExtendedNegotiation(sop_class, agreed)


@given(st.binary(max_size=40))
def test_never_more_is_agreed_than_was_asked(asked: bytes) -> None:
    answer = agree(ExtendedNegotiation(STUDY_ROOT_FIND, asked))
    if answer is None:
        assert not asked
        return
    assert len(answer.information) == min(len(asked), 16)
    assert all(one & other == one for one, other in zip(answer.information, asked, strict=False))
    options = QueryOptions.of(answer.information)
    assert options.relational == (asked[0] & 1 == 1)


@given(st.binary(max_size=40))
def test_other_services_agree_to_nothing(asked: bytes) -> None:
    assert agree(ExtendedNegotiation(MODALITY_WORKLIST, asked)) is None


def test_a_foreign_client_hears_what_was_agreed(pacs: Pacs) -> None:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = STUDY_ROOT_FIND
    item.service_class_application_information = b"\1\1\1\1"
    ae = AE(ae_title="VIEWER")
    ae.acse_timeout = ae.network_timeout = 15
    ae.add_requested_context(STUDY_ROOT_FIND)
    assoc = ae.associate(*pacs.address, ae_title="YILIAN", ext_neg=[item])
    assert assoc.is_established
    try:
        assert assoc.acceptor.sop_class_extended == {STUDY_ROOT_FIND: b"\1\1\1\0"}
    finally:
        assoc.release()
