"""Who a patient is to the archive: a number, and who gave it."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class PatientIdentity:
    """A patient ID with its issuer.

    Two institutions may both have a patient 0001. Where the object names an issuer, that issuer
    qualifies the number; where it does not, the institution that sent it does.
    """

    patient_id: str
    issuer: str
    """Issuer of Patient ID (0010,0021), or empty."""
    assigner: str
    """Code of the institution whose number it is; empty where ``issuer`` is not."""

    @classmethod
    def of(cls, *, patient_id: str, issuer: str, institution: str) -> Self:
        """Return the identity of *patient_id* as *institution* sent it."""
        if issuer:
            return cls(patient_id, issuer, "")
        return cls(patient_id, "", institution)


@dataclass(frozen=True, slots=True)
class Demographics:
    """What an object says about its patient."""

    name: str = ""
    """PN with ``=`` between its groups, in the right characters."""
    sex: str = ""
    birth_date: str = ""
    """YYYYMMDD, or empty."""
