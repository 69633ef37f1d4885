"""What is accepted: every storage class, any transfer syntax, and nothing that is not served."""

import pynetdicom.sop_class
import pytest
from hypothesis import given, strategies as st
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AllStoragePresentationContexts
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import negotiate_as_requestor

from gateway.dimse.associate import (
    AssociateRequest,
    ContextResult,
    ProposedContext,
    RoleSelection,
    UserInformation,
    accept_pdu,
    parse_request,
)
from gateway.dimse.negotiate import (
    DEFLATED_LE,
    EXPLICIT_BE,
    NegotiationPolicy,
    choose_transfer_syntax,
    negotiate,
)
from gateway.dimse.sop_classes import MODALITY_WORKLIST, is_storage
from tests.dimse.wire_bytes import CT, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION, associate_rq, context

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PRIVATE = "2.25.990000.7"


def request(*contexts: ProposedContext, roles: tuple[RoleSelection, ...] = ()) -> AssociateRequest:
    return AssociateRequest(
        protocol_version=1,
        called_ae=b"YILIAN",
        calling_ae=b"MODALITY",
        reserved=bytes(32),
        application_context="1.2.840.10008.3.1.1.1",
        contexts=contexts,
        user=UserInformation(roles=roles),
    )


def answers(
    *contexts: ProposedContext,
    roles: tuple[RoleSelection, ...] = (),
    policy: NegotiationPolicy | None = None,
) -> list[tuple[ContextResult, str]]:
    agreement = negotiate(request(*contexts, roles=roles), policy or NegotiationPolicy())
    return [(answer.result, answer.transfer_syntax) for answer in agreement.answers]


def test_every_storage_class_of_another_implementation_is_storage() -> None:
    theirs = pynetdicom.sop_class._STORAGE_CLASSES.values()
    assert [uid for uid in theirs if not is_storage(uid)] == []


def test_no_class_of_another_service_is_storage() -> None:
    storing = {"_STORAGE_CLASSES", "_NON_PATIENT_OBJECT_CLASSES", "_MEDIA_STORAGE_CLASSES"}
    others = {
        uid
        for name, table in vars(pynetdicom.sop_class).items()
        if name.endswith("_CLASSES") and isinstance(table, dict) and name not in storing
        for uid in table.values()
        if isinstance(uid, str)
    }
    assert len(others) > 60
    assert {uid for uid in others if is_storage(uid)} == {"1.2.840.10008.4.2"} & others


def test_the_name_of_every_registered_class_says_the_same() -> None:
    registered = {
        uid: entry[0]
        for uid, entry in UID_dictionary.items()
        if "SOP Class" in entry[1] and entry[0]
    }
    assert len(registered) > 250
    for uid, name in registered.items():
        stores = "Storage" in name and "Storage Commitment" not in name
        assert is_storage(uid) is stores, (uid, name)


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        pytest.param([IMPLICIT_LE], IMPLICIT_LE, id="implicit-alone"),
        pytest.param([IMPLICIT_LE, EXPLICIT_LE], EXPLICIT_LE, id="explicit-keeps-private-vrs"),
        pytest.param([EXPLICIT_BE, IMPLICIT_LE], IMPLICIT_LE, id="big-endian-last"),
        pytest.param([DEFLATED_LE, IMPLICIT_LE], IMPLICIT_LE, id="no-deflating-for-our-sake"),
        pytest.param([DEFLATED_LE], DEFLATED_LE, id="deflated-alone"),
        pytest.param([JPEG_LOSSLESS, EXPLICIT_LE], JPEG_LOSSLESS, id="what-it-likes-first"),
        pytest.param([EXPLICIT_LE, JPEG_BASELINE], EXPLICIT_LE, id="no-compressing-for-our-sake"),
        pytest.param([PRIVATE], PRIVATE, id="private"),
        pytest.param(["not a uid", EXPLICIT_LE], EXPLICIT_LE, id="first-is-no-uid"),
        pytest.param(["1.2.\xff"], None, id="nothing-valid"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_chooses_what_the_sender_need_not_convert(proposed: list[str], chosen: str | None) -> None:
    assert choose_transfer_syntax(proposed) == chosen


@given(st.lists(st.sampled_from([EXPLICIT_LE, IMPLICIT_LE, JPEG_BASELINE, PRIVATE, "x"])))
def test_chooses_only_what_was_proposed(proposed: list[str]) -> None:
    chosen = choose_transfer_syntax(proposed)
    assert chosen in proposed or chosen is None
    assert (chosen is None) == (not set(proposed) - {"x"})


def test_answers_every_context_in_its_place() -> None:
    assert answers(
        ProposedContext(1, VERIFICATION, (IMPLICIT_LE,)),
        ProposedContext(3, CT, (JPEG_LOSSLESS,)),
        ProposedContext(5, PRIVATE, (PRIVATE,)),
        ProposedContext(7, STUDY_ROOT_FIND, (IMPLICIT_LE,)),
        ProposedContext(9, CT, ("",)),
        ProposedContext(11, "../../etc/passwd", (IMPLICIT_LE,)),
    ) == [
        (ContextResult.ACCEPTANCE, IMPLICIT_LE),
        (ContextResult.ACCEPTANCE, JPEG_LOSSLESS),
        (ContextResult.ACCEPTANCE, PRIVATE),
        (ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT_LE),
        (ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, IMPLICIT_LE),
        (ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT_LE),
    ]


def test_a_setting_can_keep_private_classes_out() -> None:
    policy = NegotiationPolicy(private_sop_classes=False)
    assert [
        result
        for result, _ in answers(
            ProposedContext(1, CT, (IMPLICIT_LE,)),
            ProposedContext(3, PRIVATE, (IMPLICIT_LE,)),
            policy=policy,
        )
    ] == [ContextResult.ACCEPTANCE, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED]


def test_a_peer_that_may_not_store_can_still_ask_whether_we_are_there() -> None:
    policy = NegotiationPolicy(store=False)
    assert [
        result
        for result, _ in answers(
            ProposedContext(1, VERIFICATION, (IMPLICIT_LE,)),
            ProposedContext(3, CT, (IMPLICIT_LE,)),
            policy=policy,
        )
    ] == [ContextResult.ACCEPTANCE, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED]


@pytest.mark.parametrize(
    ("asked", "store_to_peer", "answered"),
    [
        pytest.param((True, False), False, (True, False), id="sender"),
        pytest.param((True, True), False, (True, False), id="both-but-we-send-nothing"),
        pytest.param((True, True), True, (True, True), id="both"),
        pytest.param((False, True), True, (False, True), id="receiver"),
        pytest.param((False, True), False, None, id="receiver-but-we-send-nothing"),
        pytest.param((False, False), True, None, id="neither"),
    ],
)
def test_roles_are_cut_to_what_both_sides_do(
    asked: tuple[bool, bool], store_to_peer: bool, answered: tuple[bool, bool] | None
) -> None:
    agreement = negotiate(
        request(
            ProposedContext(1, CT, (IMPLICIT_LE,)),
            roles=(RoleSelection(CT, scu=asked[0], scp=asked[1]),),
        ),
        NegotiationPolicy(store_to_peer=store_to_peer),
    )
    if answered is None:
        assert agreement.roles == ()
        assert [a.result for a in agreement.answers] == [ContextResult.USER_REJECTION]
    else:
        assert agreement.roles == (RoleSelection(CT, scu=answered[0], scp=answered[1]),)
        assert set(agreement.contexts) == {1}


@pytest.mark.parametrize(
    ("proposed", "taken"),
    [
        pytest.param((JPEG_LOSSLESS, IMPLICIT_LE, EXPLICIT_LE), EXPLICIT_LE, id="native-among"),
        pytest.param((JPEG_LOSSLESS, JPEG_BASELINE), JPEG_LOSSLESS, id="compressed-only"),
    ],
)
def test_a_receiver_that_may_not_send_takes_what_every_object_can_be_had_in(
    proposed: tuple[str, ...], taken: str
) -> None:
    agreement = negotiate(
        request(
            ProposedContext(1, CT, proposed),
            ProposedContext(3, PRIVATE, proposed),
            roles=(RoleSelection(CT, scu=True, scp=True),),
        ),
        NegotiationPolicy(store=False, store_to_peer=True),
    )
    assert agreement.roles == (RoleSelection(CT, scu=False, scp=True),)
    accepted = agreement.contexts[1]
    assert accepted.transfer_syntax == taken
    assert accepted.peer_takes
    assert not accepted.peer_asks
    assert set(agreement.contexts) == {1}


@pytest.mark.parametrize(
    ("proposed", "answer"),
    [
        pytest.param((IMPLICIT_LE,), (ContextResult.ACCEPTANCE, IMPLICIT_LE), id="implicit"),
        pytest.param(
            (JPEG_BASELINE, IMPLICIT_LE, EXPLICIT_LE),
            (ContextResult.ACCEPTANCE, EXPLICIT_LE),
            id="explicit-is-preferred",
        ),
        pytest.param(
            (JPEG_BASELINE, EXPLICIT_BE, DEFLATED_LE),
            (ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, IMPLICIT_LE),
            id="nothing-we-read",
        ),
    ],
)
def test_what_is_read_and_answered_here_is_in_a_syntax_we_write(
    proposed: tuple[str, ...], answer: tuple[ContextResult, str]
) -> None:
    policy = NegotiationPolicy(services=frozenset({VERIFICATION, MODALITY_WORKLIST}))
    context = ProposedContext(1, MODALITY_WORKLIST, proposed)
    assert answers(context, policy=policy) == [answer]


def test_no_role_is_answered_that_was_not_asked_for() -> None:
    assert negotiate(parse_request(associate_rq()[6:]), NegotiationPolicy()).roles == ()


def test_another_implementation_understands_the_answers_to_all_its_storage_contexts() -> None:
    proposed = [
        context(2 * number + 1, str(built.abstract_syntax), built.transfer_syntax)
        for number, built in enumerate(AllStoragePresentationContexts[:128])
    ]
    asked = parse_request(associate_rq(proposed)[6:])
    agreement = negotiate(asked, NegotiationPolicy())
    theirs = A_ASSOCIATE_AC()
    theirs.decode(
        accept_pdu(
            asked,
            answers=agreement.answers,
            roles=agreement.roles,
            max_pdu_bytes=131072,
            implementation_class_uid="2.25.990002",
            implementation_version="OURS_1",
        )
    )
    primitive = theirs.to_primitive()
    assert isinstance(primitive, A_ASSOCIATE)
    answered = primitive.presentation_context_definition_results_list
    understood = negotiate_as_requestor(proposed, answered)
    assert len(understood) == 128
    for built in understood:
        assert built.context_id is not None
        assert built.result == 0
        assert built.as_scu
        ours = agreement.contexts[built.context_id]
        assert (built.abstract_syntax, list(built.transfer_syntax)) == (
            ours.abstract_syntax,
            [ours.transfer_syntax],
        )
