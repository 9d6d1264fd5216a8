"""How the edge follows and reads vehicles: the meaning and the bounds of every value in
`config/tracking.yaml`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of the file: unknown fields are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrackerTuning(Section):
    """ByteTrack for one kind of object."""

    activation_score: float = Field(default=0.35, ge=0, le=1)
    """Score from which an object starts a track."""
    high_score: float = Field(default=0.35, ge=0, le=1)
    """Score from which an object is matched first; weaker ones only go on with tracks that found nothing
    better."""
    min_score: float = Field(default=0.15, ge=0, le=1)
    """Objects below this score are ignored."""
    min_overlap: float = Field(default=0.1, ge=0, le=1)
    """Intersection over union, after `buffer`, from which an object can be the track's next one."""
    buffer: float = Field(default=0.0, ge=0, le=3)
    """Boxes grow by this share of their size on each side before they are compared: for small, quick objects.
    """
    lost_s: float = Field(default=1.2, gt=0, le=60)
    """Seconds for which a track that is not seen is kept."""
    confirm_frames: int = Field(default=2, ge=1, le=30)
    """Frames in a row after which a track counts."""
    min_height_px: float = Field(default=0.0, ge=0, le=4096)
    """Objects lower than this are ignored."""


class AssociationTuning(Section):
    """Which plate belongs to which vehicle."""

    min_inside: float = Field(default=0.6, ge=0, le=1)
    """Share of the plate's area that must lie in the vehicle's box."""
    min_down: float = Field(default=0.2, ge=0, le=1)
    """How far down the vehicle the plate's middle must at least lie, as a share of the vehicle's height."""
    max_width_share: float = Field(default=0.8, gt=0, le=1)
    """A plate wider than this share of the vehicle's width is not its plate."""
    same_vehicle_overlap: float = Field(default=0.7, gt=0, le=1)
    """Two vehicle boxes of one frame that overlap this much are one vehicle seen twice."""


class MotionTuning(Section):
    """When a frame is worth a look: an empty road costs almost nothing."""

    enabled: bool = True
    """Off: every frame is searched."""
    width_px: int = Field(default=160, ge=32, le=1024)
    """Frames are compared at this width."""
    threshold: int = Field(default=14, ge=1, le=255)
    """Difference of grey values from which a pixel counts as changed."""
    min_share: float = Field(default=0.0015, ge=0, le=1)
    """Share of changed pixels from which the frame is searched."""
    hold_s: float = Field(default=1.0, ge=0, le=60)
    """Seconds for which searching goes on after the last motion."""
    max_quiet_s: float = Field(default=3.0, gt=0, le=600)
    """Without any motion a frame is searched this often all the same."""


class PassTuning(Section):
    """When a pass opens, what belongs to it, when it closes."""

    close_after_s: float = Field(default=1.8, gt=0, le=60)
    """A pass closes when its vehicle was not seen for this long."""
    parked_close_after_s: float = Field(default=20.0, gt=0, le=3600)
    """The same for a vehicle that stood still when it was last seen: somebody may just stand in front of it.
    """
    settle_s: float = Field(default=60.0, gt=0, le=86400)
    """A vehicle that stands still for this long gets its event; its place stays taken, so it opens no second
    pass."""
    still_shift: float = Field(default=0.12, gt=0, le=1)
    """A vehicle stands still while its middle moves less than this share of its size."""
    still_after_s: float = Field(default=2.0, gt=0, le=600)
    """For how long it must do so."""
    place_overlap: float = Field(default=0.5, gt=0, le=1)
    """Overlap with where a standing vehicle was last seen from which it is taken for the same."""
    lone_plate_s: float = Field(default=0.3, ge=0, le=60)
    """A plate on no vehicle opens a pass after this long."""
    min_frames: int = Field(default=3, ge=1, le=1000)
    """Passes of fewer frames are rejected as too short, unless their plate was read."""
    min_vehicle_px: float = Field(default=32, ge=0, le=4096)
    """Vehicles that never get higher than this are rejected as too small, unless their plate was read."""


class ReadingTuning(Section):
    """Which crops are read, and when a pass has been read enough."""

    min_plate_width_px: float = Field(default=28, ge=1, le=4096)
    """Narrower plates are not read; cameras.yaml can say otherwise for a camera."""
    min_plate_score: float = Field(default=0.25, ge=0, le=1)
    """Plates of a lower detection score are not read."""
    budget: int = Field(default=20, ge=1, le=64)
    """Crops read for each pass at most, before it is sure."""
    verify_budget: int = Field(default=16, ge=0, le=64)
    """Further crops read after it is sure, to see whether another vehicle took its place."""
    verify_s: float = Field(default=1.0, gt=0, le=3600)
    """Seconds between those."""
    better: float = Field(default=1.08, ge=1, le=10)
    """A crop this many times better than the best one read so far is read at once."""
    novel_s: float = Field(default=0.1, ge=0, le=60)
    """Otherwise a crop is read when the last one was this long ago and it is as good as `novel_share` of the
    best."""
    novel_share: float = Field(default=0.6, ge=0, le=1)
    """See `novel_s`."""
    sure_confidence: float = Field(default=0.97, gt=0, le=1)
    """Fused confidence at which reading stops..."""
    sure_reads: int = Field(default=3, ge=1, le=64)
    """...once this many reads agree."""


class DecisionTuning(Section):
    """What is good enough to be called read."""

    min_confidence: float = Field(default=0.8, ge=0, le=1)
    """Fused confidence of a read pass."""
    min_reads: int = Field(default=2, ge=1, le=64)
    """Reads that must agree with the result, where the pass was seen in more than one frame."""
    min_characters: int = Field(default=4, ge=1, le=16)
    """Shorter texts are not plates."""
    letters_only: bool = False
    """Whether a text without a digit can be a plate: on where those are common, else it is lettering."""
    min_legibility: float = Field(default=0.3, ge=0, le=1)
    """Plates whose best crop is less legible than this are called illegible."""


class EvidenceTuning(Section):
    """The pictures that are kept."""

    jpeg_quality: int = Field(default=88, ge=10, le=100)
    """JPEG quality."""
    max_vehicle_px: int = Field(default=640, ge=64, le=8192)
    """Vehicle crops are scaled down to this width or height."""
    max_scene_px: int = Field(default=1280, ge=64, le=8192)
    """Scenes are scaled down to this width or height."""


class Tuning(Section):
    """Everything in `config/tracking.yaml`."""

    vehicles: TrackerTuning = TrackerTuning()
    plates: TrackerTuning = TrackerTuning(buffer=0.5, activation_score=0.3, high_score=0.3)
    association: AssociationTuning = AssociationTuning()
    motion: MotionTuning = MotionTuning()
    passes: PassTuning = PassTuning()
    reading: ReadingTuning = ReadingTuning()
    decision: DecisionTuning = DecisionTuning()
    evidence: EvidenceTuning = EvidenceTuning()
