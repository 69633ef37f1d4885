"""Stored frames as pictures: opens the object, finds the frame, draws it."""

from collections.abc import Sequence
from dataclasses import dataclass

from imaging.archive.corrected_object import opened
from imaging.archive.model import InstanceLocation
from imaging.archive.objects import ObjectStore
from imaging.pixels.display import representative_frame
from imaging.pixels.frames import FramePlans, check_frames, plan_of, walk
from imaging.pixels.render import Wish, draw
from kernel.dicom.codecs import FrameDecoder


@dataclass(frozen=True, slots=True)
class Drawing:
    """Draws frames of *objects*; its methods read files and work on pixels, off the event loop."""

    objects: ObjectStore
    plans: FramePlans
    decoder: FrameDecoder

    def picture(self, location: InstanceLocation, number: int | None, wish: Wish) -> bytes:
        """Return frame *number* (from 1) as *wish* says; None for the one that stands for all.

        Raises:
            NoFrames: the object has no pixels that can be told apart.
            FrameMissing: it has fewer frames.
            DecodeFailed: the frame is damaged.
        """
        correction = location.correction
        with opened(self.objects, location.object_key, correction) as source:
            walked = walk(source)
            # What is remembered tells places in the stored object; a corrected one has its own.
            known = self.plans.known(location.object_key) if correction is None else None
            plan = known or plan_of(walked)
            if number is None:
                number = representative_frame(walked, plan.count) + 1
            check_frames(plan, (number,))
            return draw(walked, plan, number - 1, wish, decoder=self.decoder)

    def check(self, location: InstanceLocation, numbers: Sequence[int]) -> None:
        """Raise ``FrameMissing`` unless the object has all of these frames."""
        with self.objects.open(location.object_key) as source:
            check_frames(self.plans.plan(location.object_key, source), numbers)
