"""Who may do what, and what the refusal looks like from outside."""

import pytest

from kernel.errors import Forbidden, Missing
from kernel.identity import ADMINISTRATORS, CARE, Principal, PrincipalKind, Role
from kernel.policy import (
    GRANTED,
    Act,
    Granted,
    Reason,
    Subject,
    decide,
    masked_id,
    masked_name,
    masked_number,
    person_holder,
    reach,
    register_house,
    require,
    sees_own_orders_only,
    shows_full_name,
)

ORDERING = (Role.TECHNICIAN, Role.DOCTOR, Role.REGISTRAR, Role.VILLAGE_DOCTOR)
TOWNSHIP, OTHER, COUNTY = "qingshan", "shiqiao", "county"


def _who(role: Role, institution: str = TOWNSHIP) -> Principal:
    return Principal("u1", "u1", "u1", frozenset({role}), institution)


@pytest.mark.parametrize(
    ("role", "institution", "act", "reason", "allowed"),
    [
        (Role.TECHNICIAN, TOWNSHIP, Act.READ_STUDY, Reason.OWN_INSTITUTION, True),
        (Role.VILLAGE_DOCTOR, TOWNSHIP, Act.READ_STUDY, Reason.OWN_INSTITUTION, True),
        (Role.RADIOLOGIST, COUNTY, Act.READ_STUDY, Reason.ROUTED_HERE, True),
        (Role.RADIOLOGIST, OTHER, Act.READ_STUDY, Reason.OTHER_INSTITUTION, False),
        (Role.MANAGER, TOWNSHIP, Act.READ_STUDY, Reason.NOT_THIS_ROLE, False),
        (Role.MANAGER, OTHER, Act.READ_STUDY, Reason.OTHER_INSTITUTION, False),
        (Role.TECHNICIAN, TOWNSHIP, Act.STORE_STUDY, Reason.OWN_INSTITUTION, True),
        (Role.RADIOLOGIST, COUNTY, Act.STORE_STUDY, Reason.OTHER_INSTITUTION, False),
        (Role.PRIVACY_OFFICER, TOWNSHIP, Act.READ_LIST, Reason.OWN_INSTITUTION, True),
        (Role.PRIVACY_OFFICER, TOWNSHIP, Act.READ_STUDY, Reason.NOT_THIS_ROLE, False),
        (Role.PRIVACY_OFFICER, OTHER, Act.READ_STUDY, Reason.OTHER_INSTITUTION, False),
        (Role.REGISTRAR, TOWNSHIP, Act.REGISTER_PATIENT, Reason.OWN_INSTITUTION, True),
        (Role.VILLAGE_DOCTOR, TOWNSHIP, Act.REGISTER_PATIENT, Reason.NOT_THIS_ROLE, False),
        (Role.VILLAGE_DOCTOR, TOWNSHIP, Act.ORDER_EXAMINATION, Reason.OWN_INSTITUTION, True),
        (Role.VILLAGE_DOCTOR, TOWNSHIP, Act.PERFORM_EXAMINATION, Reason.NOT_THIS_ROLE, False),
        (Role.TECHNICIAN, TOWNSHIP, Act.PERFORM_EXAMINATION, Reason.OWN_INSTITUTION, True),
        (Role.TECHNICIAN, COUNTY, Act.PERFORM_EXAMINATION, Reason.OTHER_INSTITUTION, False),
        (Role.REGISTRAR, COUNTY, Act.SETTLE_CONFLICT, Reason.ROUTED_HERE, True),
        (Role.REGISTRAR, OTHER, Act.SETTLE_CONFLICT, Reason.OTHER_INSTITUTION, False),
        (Role.VILLAGE_DOCTOR, TOWNSHIP, Act.SETTLE_CONFLICT, Reason.NOT_THIS_ROLE, False),
        (Role.SYSTEM_ADMINISTRATOR, COUNTY, Act.SETTLE_CONFLICT, Reason.NOT_THIS_ROLE, False),
        (Role.AUDIT_ADMINISTRATOR, COUNTY, Act.WATCH_NODES, Reason.ROUTED_HERE, True),
        (Role.MANAGER, TOWNSHIP, Act.ADMIT_NODES, Reason.OWN_INSTITUTION, True),
        (Role.SYSTEM_ADMINISTRATOR, TOWNSHIP, Act.ADMIT_NODES, Reason.OWN_INSTITUTION, True),
        (Role.MANAGER, COUNTY, Act.ADMIT_NODES, Reason.OTHER_INSTITUTION, False),
        (Role.SECURITY_ADMINISTRATOR, TOWNSHIP, Act.ADMIT_NODES, Reason.NOT_THIS_ROLE, False),
        (Role.RADIOLOGIST, TOWNSHIP, Act.READ_ORDERS, Reason.NOT_THIS_ROLE, False),
        (Role.DOCTOR, COUNTY, Act.READ_ORDERS, Reason.OTHER_INSTITUTION, False),
        (Role.SYSTEM_ADMINISTRATOR, TOWNSHIP, Act.MANAGE_SYSTEM, Reason.OWN_DUTY, True),
        (Role.SYSTEM_ADMINISTRATOR, COUNTY, Act.WATCH_STORAGE, Reason.OWN_DUTY, True),
        (Role.AUDIT_ADMINISTRATOR, COUNTY, Act.WATCH_STORAGE, Reason.NOT_THIS_ROLE, False),
        (Role.SECURITY_ADMINISTRATOR, COUNTY, Act.MANAGE_ACCOUNTS, Reason.OWN_DUTY, True),
        (Role.AUDIT_ADMINISTRATOR, COUNTY, Act.READ_AUDIT, Reason.OWN_DUTY, True),
    ],
)
def test_each_decision_names_its_reason(
    role: Role, institution: str, act: Act, reason: Reason, allowed: bool
) -> None:
    decision = decide(_who(role, institution), act, Subject(TOWNSHIP, frozenset({COUNTY})))
    assert (decision.allowed, decision.reason) == (allowed, reason)


def test_the_three_administrators_have_one_duty_each_and_see_no_patient() -> None:
    duties = {Act.MANAGE_SYSTEM, Act.MANAGE_ACCOUNTS, Act.READ_AUDIT}
    for role in ADMINISTRATORS:
        mine = {act for act in duties if decide(_who(role), act, Subject()).allowed}
        assert len(mine) == 1
        assert not decide(_who(role), Act.READ_STUDY, Subject(TOWNSHIP)).allowed
        assert not shows_full_name(_who(role))


def test_only_a_village_doctor_sees_no_orders_but_their_own() -> None:
    assert [role for role in ORDERING if sees_own_orders_only(_who(role))] == [Role.VILLAGE_DOCTOR]
    both = Principal("u", "u", "u", frozenset({Role.VILLAGE_DOCTOR, Role.DOCTOR}), TOWNSHIP)
    assert not sees_own_orders_only(both)


VILLAGER = Principal("v", "v", "v", frozenset({Role.VILLAGE_DOCTOR}), "xigou", township=TOWNSHIP)


@pytest.mark.parametrize(
    ("act", "owner", "reason", "allowed"),
    [
        (Act.READ_ORDERS, TOWNSHIP, Reason.PARENT_INSTITUTION, True),
        (Act.ORDER_EXAMINATION, TOWNSHIP, Reason.PARENT_INSTITUTION, True),
        (Act.PERFORM_EXAMINATION, TOWNSHIP, Reason.NOT_THIS_ROLE, False),
        (Act.REGISTER_PATIENT, TOWNSHIP, Reason.NOT_THIS_ROLE, False),
        (Act.WATCH_NODES, TOWNSHIP, Reason.PARENT_INSTITUTION, True),
        (Act.WATCH_NODES, OTHER, Reason.OTHER_INSTITUTION, False),
        (Act.SETTLE_CONFLICT, TOWNSHIP, Reason.OTHER_INSTITUTION, False),
        (Act.READ_STUDY, TOWNSHIP, Reason.OTHER_INSTITUTION, False),
        (Act.READ_LIST, TOWNSHIP, Reason.OTHER_INSTITUTION, False),
        (Act.STORE_STUDY, TOWNSHIP, Reason.OTHER_INSTITUTION, False),
        (Act.READ_ORDERS, OTHER, Reason.OTHER_INSTITUTION, False),
        (Act.ORDER_EXAMINATION, OTHER, Reason.OTHER_INSTITUTION, False),
    ],
)
def test_a_village_house_finds_and_orders_at_its_township_and_nothing_else(
    act: Act, owner: str, reason: Reason, allowed: bool
) -> None:
    decision = decide(VILLAGER, act, Subject(owner))
    assert (decision.allowed, decision.reason) == (allowed, reason)


def test_nobody_of_a_village_house_sees_orders_that_are_not_theirs() -> None:
    assert register_house(VILLAGER) == TOWNSHIP
    for role in ORDERING:
        guest = Principal("v", "v", "v", frozenset({role}), "xigou", township=TOWNSHIP)
        assert sees_own_orders_only(guest)
    assert register_house(_who(Role.TECHNICIAN)) == TOWNSHIP


@pytest.mark.parametrize("reason", sorted(GRANTED))
def test_a_grant_opens_reading_and_no_other_act_to_whom_it_was_given(reason: Reason) -> None:
    reading = {Act.READ_LIST, Act.READ_STUDY}
    if reason is not Reason.BREAK_GLASS:
        reading.add(Act.READ_LOOKS)
    everything = frozenset(Role) - ADMINISTRATORS
    who = Principal("u7", "u7", "u7", everything, OTHER)
    for holder in (OTHER, person_holder("u7")):
        subject = Subject(TOWNSHIP, granted=frozenset({Granted(holder, reason)}))
        allowed = {act for act in Act if decide(who, act, subject).reason == reason}
        assert allowed == reading
    for holder in (COUNTY, person_holder("u8"), "u7", f"user:{OTHER}"):
        subject = Subject(TOWNSHIP, granted=frozenset({Granted(holder, reason)}))
        assert decide(who, Act.READ_STUDY, subject).reason == Reason.OTHER_INSTITUTION


def test_what_was_given_to_a_person_is_no_machines_whatever_it_is_called() -> None:
    machine = Principal(
        "u7", "u7", "u7", frozenset({Role.TECHNICIAN}), OTHER, PrincipalKind.MACHINE
    )
    granted = frozenset({Granted(person_holder("u7"), Reason.BREAK_GLASS)})
    assert not decide(machine, Act.READ_STUDY, Subject(TOWNSHIP, granted=granted)).allowed
    assert not decide(machine, Act.BREAK_GLASS, Subject()).allowed
    assert reach(machine).holders == (OTHER,)


def test_to_another_institution_it_is_not_there() -> None:
    with pytest.raises(Missing):
        require(_who(Role.RADIOLOGIST, OTHER), Act.READ_STUDY, Subject(TOWNSHIP))
    with pytest.raises(Forbidden):
        require(_who(Role.MANAGER), Act.READ_STUDY, Subject(TOWNSHIP))


def test_reach_says_the_same_as_the_decision_for_every_role() -> None:
    for role in Role:
        who = _who(role)
        for act in (Act.READ_LIST, Act.READ_STUDY):
            allowed = decide(who, act, Subject(TOWNSHIP)).allowed
            assert reach(who, act).nothing is not allowed
            assert reach(who, act).institution == TOWNSHIP


def test_whoever_sees_masked_names_reads_no_headers_or_pixels() -> None:
    for role in Role:
        who = _who(role)
        assert decide(who, Act.READ_STUDY, Subject(TOWNSHIP)).allowed <= shows_full_name(who)


def test_names_are_written_out_for_care_and_machines_only() -> None:
    assert all(shows_full_name(_who(role)) for role in CARE)
    assert not shows_full_name(_who(Role.MANAGER))
    machine = Principal("m", "m", "m", frozenset(), TOWNSHIP, PrincipalKind.MACHINE)
    assert shows_full_name(machine)


@pytest.mark.parametrize(
    ("number", "shown"),
    [("990000194912310021", "990***********0021"), ("1234567", "*******"), ("", "")],
)
def test_an_id_number_keeps_three_and_four(number: str, shown: str) -> None:
    assert masked_id(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("990000194912310026", "990***********0026"),
        ("99000019491231002X", "990***********002X"),
        ("99000019491231002x", "990***********002x"),
        ("990000491231002", "990********1002"),
        ("ID 990000194912310026 old", "ID 990***********0026 old"),
        ("990000-1", "990000-1"),
        ("QS0031902", "QS0031902"),
        ("990000999913320022", "990000999913320022"),
        ("1990000194912310026", "1990000194912310026"),
        ("", ""),
    ],
)
def test_of_a_houses_number_only_a_resident_number_is_masked(number: str, shown: str) -> None:
    assert masked_number(number) == shown


@pytest.mark.parametrize(("name", "shown"), [("张伟", "张**"), ("欧阳建国", "欧**"), ("", "")])
def test_a_name_keeps_its_first_character(name: str, shown: str) -> None:
    assert masked_name(name) == shown
