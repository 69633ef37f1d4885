"""A performed procedure step as a value."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.dimse.attributes import Attributes, first_item, items_of, text_of
from gateway.procedure_steps.machine import State

_REFERENCES = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedStep:
    """What a device has said of one step so far.

    Attributes:
        sop_instance_uid: its identity, given by the device.
        institution: code of the institution the device belongs to.
        ae_title: the device, as it called.
        state: where it stands.
        attributes: all it said, N-SETs merged in.
        version: 1 after N-CREATE, one more after each N-SET.
        changed_at: when the last of them came.
    """

    sop_instance_uid: str
    institution: str
    ae_title: str
    state: State
    attributes: Attributes = field(repr=False)
    version: int
    changed_at: dt.datetime

    @property
    def scheduled(self) -> tuple[Attributes, ...]:
        """The scheduled steps it fulfils, one whose ids are empty where it was not scheduled."""
        return items_of(self.attributes, "ScheduledStepAttributesSequence")

    @property
    def study_instance_uid(self) -> str:
        """The study its images belong to."""
        return text_of(
            first_item(self.attributes, "ScheduledStepAttributesSequence"), "StudyInstanceUID"
        )

    def instances(self) -> Iterator[str]:
        """Yield the SOP Instance UIDs of what it says was made."""
        for series in items_of(self.attributes, "PerformedSeriesSequence"):
            for sequence in _REFERENCES:
                for reference in items_of(series, sequence):
                    if uid := text_of(reference, "ReferencedSOPInstanceUID"):
                        yield uid

    @property
    def counts(self) -> bool:
        """Whether it says how many instances there are, once it is over.

        PS3.4 Table F.7.2-1 lets the references of a series be empty, and many devices leave them
        so: such a step says that it is over and not what was made.
        """
        series = items_of(self.attributes, "PerformedSeriesSequence")
        named = [any(items_of(one, sequence) for sequence in _REFERENCES) for one in series]
        return all(named) and (bool(named) or self.state is State.DISCONTINUED)


@dataclass(frozen=True, slots=True)
class Performed:
    """What the devices say of one study.

    Attributes:
        is_over: every step of it has ended; only then is the list whole.
        instances: SOP Instance UIDs of what was made; empty where a step does not count them.
    """

    is_over: bool
    instances: frozenset[str]
