"""What joining people on the floor can be told. Units end the names."""

from __future__ import annotations

from pydantic import Field

from store_layout.model import Strict


class SightingSettings(Strict):
    """How a box or skeleton in one camera becomes a place on the floor with a covariance."""

    body_height_m: float = Field(
        default=1.72, ge=1.2, le=2.2, description="assumed height where feet are unseen: mean of European adults (m)"
    )
    body_height_std_m: float = Field(
        default=0.10, ge=0.02, le=0.4, description="its standard deviation over adults, with shoes and stoops (m)"
    )
    seen_height_std_m: float = Field(
        default=0.08,
        gt=0,
        le=0.5,
        description="standard deviation of a height read from ankles and head in one camera, a place's 0.1 m seen from above (m)",
    )
    crouched_height_m: float = Field(
        default=0.7,
        ge=0.3,
        le=1.3,
        description="lowest head of somebody whose feet are seen; below, it is no person (m)",
    )
    ankle_height_m: float = Field(default=0.08, ge=0, le=0.3, description="height of COCO's ankle points (m)")
    ankle_confidence: float = Field(
        default=0.5, ge=0, le=1, description="ankles from here on are trusted above the box's bottom"
    )
    toe_m: float = Field(
        default=0.10,
        ge=0,
        le=0.4,
        description="a box ends at the foot that is nearest to the camera, this far before the body's middle (m)",
    )
    pixel_std_heights: float = Field(
        default=0.02, gt=0, le=0.3, description="standard deviation of a box's edge, in box heights"
    )
    bottom_std_heights: float = Field(
        default=0.10,
        gt=0,
        le=0.5,
        description="the same for the bottom of boxes that come without a skeleton: large people are often cut short",
    )
    short_m: float = Field(
        default=1.3,
        ge=0.5,
        le=1.7,
        description="without a skeleton, a body that seems taller than this is taken as upright and cut short, not as crouched",
    )
    pixel_std_px: float = Field(default=1.5, gt=0, le=20, description="the same for the smallest boxes (px)")
    place_std_m: float = Field(
        default=0.10, gt=0, le=1, description="what calibration and stride add to every place (m)"
    )
    boxed_std_m: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="the same where the detector gives boxes alone: an arm, a bag or a cut-off leg moves their middle (m)",
    )
    widest_std_m: float = Field(
        default=1.2, gt=0, le=10, description="places less certain than this say nothing and are left out (m)"
    )
    edge_px: float = Field(
        default=7.0,
        ge=0,
        le=60,
        description="a box this near the picture's edge is cut by it; detectors end such boxes up to 6 px early (px)",
    )
    minimum_score: float = Field(
        default=0.1, ge=0, le=1, description="tracked detections below this give no place; they are mostly part bodies"
    )
    overlap_hides: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="share of a box's lower third inside a nearer box from which feet are hidden",
    )


class HandSettings3D(Strict):
    """How hands in pictures become hands in the store."""

    minimum_confidence: float = Field(default=0.3, ge=0, le=1, description="hands below this are left out")
    ray_gap_m: float = Field(
        default=0.12, gt=0, le=0.5, description="two cameras' rays this near to each other can show one hand (m)"
    )
    doubtful_gap_m: float = Field(
        default=0.3,
        gt=0,
        le=0.6,
        description="rays of one side that miss each other by up to this still tell where a hand is: a hidden wrist is "
        "guessed by 20 cm (m)",
    )
    doubtful_confidence: float = Field(default=0.5, ge=0, le=1, description="trust in such a hand")
    minimum_sine: float = Field(
        default=0.17, gt=0, lt=1, description="sine of the rays' angle (10 degrees) below which depth says nothing"
    )
    arm_reach_m: float = Field(
        default=0.9, gt=0.3, le=1.5, description="farthest hand from the middle of the body on the floor, leaning (m)"
    )
    shoulder_height_m: float = Field(
        default=1.38, ge=0.8, le=1.8, description="of somebody of the usual body height: 0.8 of it (m)"
    )
    shoulder_height_std_m: float = Field(
        default=0.08, gt=0, le=0.5, description="how much higher or lower shoulders are held: shrugs and stoops (m)"
    )
    shoulder_aside_m: float = Field(
        default=0.2,
        gt=0,
        le=0.6,
        description="how far from the middle of the feet a shoulder is: half a back, leaning (m)",
    )
    shoulder_confidence: float = Field(
        default=0.5, ge=0, le=1, description="shoulders of a skeleton from here on tell how far away the hand is"
    )
    arm_length_m: float = Field(
        default=0.85, ge=0.4, le=1.2, description="shoulder to palm with a leaning body: a hand cannot be farther (m)"
    )
    shelf_depth_m: float = Field(
        default=0.05, ge=0, le=0.4, description="how far behind its front a hand seen by one camera is put (m)"
    )
    shelf_confidence: float = Field(
        default=0.6, ge=0, le=1, description="trust in a hand put on a shelf's front by one camera alone"
    )
    body_confidence: float = Field(
        default=0.35, ge=0, le=1, description="trust in a hand put at its body's distance by one camera alone"
    )
    memory_s: float = Field(
        default=1.0, gt=0, le=10, description="how long left and right are kept apart by nearness to the last hands (s)"
    )


class GateSettings(Strict):
    """When a person has gone through a gate."""

    hysteresis_m: float = Field(
        default=0.2, ge=0, le=1, description="a side counts from this distance to the line: two noise widths (m)"
    )
    beside_m: float = Field(
        default=0.5, ge=0, le=2, description="how far beside the gate's ends a path may cross its line (m)"
    )
    surely_inside_m: float = Field(
        default=0.8,
        ge=0,
        le=5,
        description="who comes in beside the gate's ends by more than the hysteresis is believed from this far inside: a step (m)",
    )


class PeopleSettings(Strict):
    """How tracks of all cameras become people on the floor."""

    sighting: SightingSettings = SightingSettings()
    hands: HandSettings3D = HandSettings3D()
    gates: GateSettings = GateSettings()
    gate_chi2: float = Field(
        default=13.8, gt=0, le=100, description="squared Mahalanobis distance that still matches: 99.9 % of chi² with 2"
    )
    farthest_match_m: float = Field(
        default=1.3, gt=0, le=10, description="no match beyond this, however uncertain the place: two strides (m)"
    )
    appearance_weight: float = Field(
        default=12.0, ge=0, le=200, description="squared-distance units that a wholly different colour costs"
    )
    link_bonus: float = Field(
        default=6.0, ge=0, le=50, description="squared-distance units that a camera's own track id is worth"
    )
    acceleration_m_per_s2: float = Field(
        default=1.2, gt=0, le=10, description="how hard shoppers start, stop and turn (m/s² over a root second)"
    )
    coast_s: float = Field(
        default=0.7, gt=0, le=10, description="an unseen person's speed halves in about this time: shoppers stop (s)"
    )
    walking_m_per_s: float = Field(
        default=1.6, gt=0, le=5, description="fastest that somebody lost may have walked since (m/s)"
    )
    founding_s: float = Field(
        default=0.25, ge=0, le=5, description="how long a new person is watched before it counts (s)"
    )
    founding_sightings: int = Field(default=3, ge=1, le=50, description="sightings that a new person needs by then")
    founding_given_up_s: float = Field(
        default=0.6, gt=0, le=5, description="a new person unseen this long is forgotten (s)"
    )
    lost_after_s: float = Field(
        default=0.6, gt=0, le=5, description="unseen this long, a person counts as lost and is matched last (s)"
    )
    kept_s: float = Field(
        default=6.0, ge=5, le=600, description="how long somebody unseen near a gate or outside is kept (s)"
    )
    inside_founding_s: float = Field(
        default=1.5,
        ge=0,
        le=30,
        description="how long somebody is watched who appears in the shop without having come by a gate: nobody does, but "
        "badly cut boxes do (s)",
    )
    returning_s: float = Field(
        default=0.6,
        ge=0,
        le=30,
        description="the same of a whole body, ankles to head, where somebody who was lost in the shop can have walked to: "
        "no cut box is that (s)",
    )
    doubtful_sightings: int = Field(
        default=40,
        ge=1,
        le=10_000,
        description="who did not come by a gate and was seen less often than this may have been a shadow: 2 s in two cameras",
    )
    doubtful_kept_s: float = Field(default=1.0, gt=0, le=60, description="how long such a person is kept unseen (s)")
    kept_inside_s: float = Field(
        default=90.0, ge=5, le=3600, description="the same inside the shop, which one leaves through a gate only (s)"
    )
    near_m: float = Field(
        default=0.7, gt=0, le=3, description="people nearer to each other than this may be taken for each other (m)"
    )
    apart_m: float = Field(
        default=1.0, gt=0, le=5, description="from this distance on they are told apart by looks again (m)"
    )
    apart_s: float = Field(default=0.8, gt=0, le=10, description="how long their looks are gathered first (s)")
    looks_margin: float = Field(
        default=0.06, ge=0, le=1, description="difference of summed cosines that settles who is who after a meeting"
    )
    rejoin_cosine: float = Field(
        default=0.75, ge=0, le=1, description="looks at least this alike let two ids be one person"
    )
    rejoin_m: float = Field(
        default=0.7, gt=0, le=3, description="two ids this near, never seen apart by one camera, may be one person (m)"
    )
    rejoin_after_s: float = Field(default=0.8, gt=0, le=10, description="how long they must have stood so (s)")
