"""Which SOP classes are storage: all but the standard's own services that are something else.

The standard adds storage SOP classes every year and vendors have private ones, so what is not
known here is taken as storage. Listed are the classes of PS3.6 Table A-1 that belong to another
service, retired ones too; a tree is given only where nothing in it stores.
"""

from typing import Final

VERIFICATION: Final = "1.2.840.10008.1.1"
MODALITY_WORKLIST: Final = "1.2.840.10008.5.1.4.31"
PERFORMED_PROCEDURE_STEP: Final = "1.2.840.10008.3.1.2.3.3"
PATIENT_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_ROOT: Final = frozenset({PATIENT_ROOT_FIND, PATIENT_ROOT_MOVE, PATIENT_ROOT_GET})
GETS: Final = frozenset({PATIENT_ROOT_GET, STUDY_ROOT_GET})
STORAGE_COMMITMENT: Final = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
"""The one well-known instance of it (PS3.4 J.3.5)."""

_OTHER_SERVICE_TREES: Final = (
    "1.2.840.10008.1.20.",  # storage commitment
    "1.2.840.10008.10.",  # real-time communication
    "1.2.840.10008.3.1.2.",  # patient, visit, study and procedure step management
    "1.2.840.10008.5.1.4.1.2.",  # query/retrieve
    "1.2.840.10008.5.1.4.20.",  # defined procedure protocol query/retrieve
    "1.2.840.10008.5.1.4.32.",  # general purpose worklist
    "1.2.840.10008.5.1.4.34.4.",  # unified procedure step, trial
    "1.2.840.10008.5.1.4.34.6.",  # unified procedure step
    "1.2.840.10008.5.1.4.37.",  # relevant patient information
)
_PRINT_AND_DISPLAY: Final = "1.2.840.10008.5.1.1."
_PRINT_THAT_STORES: Final = frozenset(
    {
        "1.2.840.10008.5.1.1.27",  # stored print
        "1.2.840.10008.5.1.1.29",  # hardcopy grayscale image
        "1.2.840.10008.5.1.1.30",  # hardcopy color image
    }
)
_OTHER_SERVICES: Final = frozenset(
    {
        VERIFICATION,
        "1.2.840.10008.1.9",  # basic study content notification
        "1.2.840.10008.1.40",  # procedural event logging
        "1.2.840.10008.1.42",  # substance administration logging
        "1.2.840.10008.5.1.4.31",  # modality worklist
        "1.2.840.10008.5.1.4.32",  # general purpose worklist management
        "1.2.840.10008.5.1.4.33",  # instance availability notification
        "1.2.840.10008.5.1.4.34.2",  # RT machine verification, trial
        "1.2.840.10008.5.1.4.34.3",
        "1.2.840.10008.5.1.4.34.8",  # RT machine verification
        "1.2.840.10008.5.1.4.34.9",
        "1.2.840.10008.5.1.4.41",  # product characteristics query
        "1.2.840.10008.5.1.4.42",  # substance approval query
        "1.2.840.10008.5.1.4.1.1.200.4",  # protocol approval query/retrieve
        "1.2.840.10008.5.1.4.1.1.200.5",
        "1.2.840.10008.5.1.4.1.1.200.6",
        "1.2.840.10008.5.1.4.1.1.201.2",  # inventory query/retrieve, creation, repository query
        "1.2.840.10008.5.1.4.1.1.201.3",
        "1.2.840.10008.5.1.4.1.1.201.4",
        "1.2.840.10008.5.1.4.1.1.201.5",
        "1.2.840.10008.5.1.4.1.1.201.6",
    }
)
_OTHER_NON_PATIENT: Final = frozenset(
    f"1.2.840.10008.5.1.4.{family}.{service}"
    for family in (38, 39, 43, 44, 45)  # hanging protocol, colour palette, implant templates
    for service in (2, 3, 4)  # FIND, MOVE, GET; 1 is the storage
)


def is_storage(sop_class_uid: str) -> bool:
    """Whether *sop_class_uid*, a valid UID, is to be stored by C-STORE; unknown ones are."""
    if sop_class_uid in _OTHER_SERVICES or sop_class_uid in _OTHER_NON_PATIENT:
        return False
    if sop_class_uid.startswith(_PRINT_AND_DISPLAY):
        return sop_class_uid in _PRINT_THAT_STORES
    return not sop_class_uid.startswith(_OTHER_SERVICE_TREES)
