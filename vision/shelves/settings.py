"""What watching the shelves can be told. Units end the names."""

from __future__ import annotations

from pydantic import Field

from store_layout.model import Strict


class CoverSettings(Strict):
    """Which pixels people hide. Part of a tape's fingerprint, as the observer's."""

    limb_heights: float = Field(
        default=0.075, ge=0, le=0.3, description="half the width given to a limb, in heights of the person's box"
    )
    head_heights: float = Field(
        default=0.095,
        ge=0,
        le=0.3,
        description="radius hidden about the head, in box heights: half a head's height (Drillis and Contini 1964: 0.13), and hair",
    )
    hand_heights: float = Field(
        default=0.11, ge=0, le=0.4, description="radius hidden about a hand with what it holds, in box heights"
    )
    joint_confidence: float = Field(default=0.3, ge=0, le=1, description="keypoints below this are not drawn")
    minimum_score: float = Field(default=0.25, ge=0, le=1, description="boxes below this hide nothing")
    box_margin: float = Field(
        default=0.08,
        ge=0,
        le=1,
        description="how much wider and higher than its box a person may be, each side, to be counted in it",
    )
    search_margin: float = Field(
        default=0.3,
        ge=0,
        le=2,
        description="how far outside of its box what hangs together with a person is still theirs: heads and arms are cut off",
    )
    foreground_levels: float = Field(
        default=9.0,
        gt=0,
        le=100,
        description="8-bit Lab; from here on a pixel is not the background: five times the noise",
    )
    body_share: float = Field(
        default=0.06,
        gt=0,
        le=1,
        description="share of a person's box from which a connected part of it is the person: an arm, not a product's place",
    )
    body_products: float = Field(
        default=1.25, ge=0, le=100, description="and at least this many times the front of the largest product"
    )
    learn_s: float = Field(default=0.3, gt=0, le=60, description="how often the background is learned (s)")
    background_sightings: int = Field(
        default=3, ge=1, le=250, description="how often another look must be learned in turn to be the background"
    )
    follow: float = Field(default=0.1, gt=0, le=1, description="how fast the background follows slow light")


class ObserverSettings(Strict):
    """How frames become patches of slots. These settings are part of a tape's fingerprint."""

    patch_side_px: int = Field(
        default=128, ge=16, le=256, description="longest side of a patch; larger slots are shrunk to it (px)"
    )
    inset_m: float = Field(
        default=0.04,
        ge=0,
        le=0.5,
        description="how far behind the shelf's edge patches are cut, where the first row's fronts stand: cut at the edge, a "
        "camera from the side shows a product in its neighbour's slot (m)",
    )
    smallest_front_px: float = Field(
        default=120.0, ge=16, description="slots whose front has fewer pixels in a camera are not watched by it (px²)"
    )
    smallest_slant: float = Field(
        default=0.12, ge=0, le=1, description="cosine between line of sight and front below which a slot is edge-on"
    )
    cover: CoverSettings = CoverSettings()
    readable_share: float = Field(
        default=0.5, ge=0, le=1, description="slots with less to read than this are not sent: what is left tells little"
    )
    visible_share: float = Field(
        default=0.95,
        ge=0,
        le=1,
        description="the same for slow cameras, which cannot tell people's pixels from others by what stands still",
    )
    still_levels: float = Field(
        default=7.0, gt=0, le=64, description="mean difference to the frame before up to which a slot stands still"
    )
    still_gap_s: float = Field(
        default=0.45, gt=0, description="frames farther apart than this cannot show stillness and are all read (s)"
    )
    news_levels: float = Field(
        default=3.5, gt=0, le=64, description="mean difference of the worst cell to the last patch sent that is news"
    )
    repeat_s: float = Field(default=0.5, gt=0, description="a slot with news is sent this often until it settles (s)")
    confirm_s: float = Field(
        default=0.5,
        ge=0,
        le=5,
        description="and goes on to be sent for so long after its last news: a new look must last 0.35 s to be believed, and what "
        "is taken and put back was away for less than a second (s)",
    )
    thing_inside: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="share of a detected thing's box that must lie in a slow camera's slot for the thing to be there",
    )
    heartbeat_s: float = Field(default=2.5, gt=0, description="an unchanged slot is sent this often (s)")


class ChangeSettings(Strict):
    """When a slot's picture has really changed."""

    blur_px: float = Field(default=0.8, ge=0, le=5, description="smoothing before patches are compared (patch px)")
    tolerance_levels: float = Field(
        default=16.0, ge=3, le=60, description="Lab distance (8 bit) above which two pixels are not the same surface"
    )
    light_reach: float = Field(
        default=0.12,
        gt=0,
        le=1,
        description="share of the patch over which a change of light is smooth: a shadow's half, more than a product's print",
    )
    sightings: int = Field(
        default=2,
        ge=2,
        le=10,
        description="how often a new look must be seen, with nothing old between, to be believed",
    )
    settle_s: float = Field(
        default=0.35,
        ge=0,
        le=10,
        description="and how long it must have lasted: two looks at shelves that are read five times a second (s)",
    )
    closed_share: float = Field(
        default=0.7, ge=0, le=1, description="share of a new blob that must have settled: a passing arm has not"
    )
    give_up_s: float = Field(
        default=12.0, gt=1, description="after this a blob that did not close is taken as it stands (s)"
    )
    unit_share: float = Field(
        default=0.22, gt=0, le=1, description="share of one unit's front that must change to be a change of a unit"
    )
    smallest_share: float = Field(
        default=0.03, gt=0, le=1, description="share of the whole patch below which a change is noise"
    )
    clear_ratio: float = Field(
        default=2.5,
        ge=1,
        le=100,
        description="a change that somebody hides in part is told from this many times the smallest change: half a unit",
    )
    clear_s: float = Field(
        default=0.9, ge=0, le=60, description="and once it has lasted this long: twice the usual (s)"
    )
    denial_share: float = Field(
        default=0.5, gt=0, le=1, description="share of the smallest change that may look new where a camera denies one"
    )
    follow: float = Field(
        default=0.15, ge=0, le=1, description="how fast the remembered look follows slow light where nothing changed"
    )


class ReachSettings(Strict):
    """When a hand is at a shelf, and whose change it is."""

    margin_m: float = Field(
        default=0.12,
        ge=0,
        le=1,
        description="m in front of the shelf and beside it that still count: hands are known to about 0.1 m",
    )
    inside_m: float = Field(
        default=-0.06,
        ge=-1,
        le=1,
        description="m; how deep a hand's middle must come to count as a reach where products cannot be seen: fingertips "
        "are 0.09 m ahead of it (half a hand, Drillis and Contini 1964)",
    )
    confidence_min: float = Field(default=0.2, ge=0, le=1, description="hands below this are not believed")
    gap_s: float = Field(default=0.7, ge=0, le=10, description="s that a hand may be lost within one reach")
    dwell_s: float = Field(
        default=0.25, ge=0, le=10, description="s; shorter reaches change nothing: they are passing hands"
    )
    two_hands_m: float = Field(
        default=0.3,
        ge=0,
        le=2,
        description="m; one person's hands seen nearer to each other than this at two shelves are one hand seen twice",
    )
    spread_m: float = Field(
        default=0.18,
        gt=0,
        le=2,
        description="m; how far a hand and the slot it took from may lie apart (one standard deviation)",
    )
    body_spread_m: float = Field(
        default=0.45, gt=0, le=5, description="m; the same for a body without a hand, beyond arm's length"
    )
    arm_m: float = Field(
        default=0.75, gt=0, le=2, description="m from the body's axis to what the hand can take, standing"
    )
    body_weight: float = Field(default=0.15, ge=0, le=1, description="what being near counts against a hand seen there")
    nobody: float = Field(default=0.03, ge=0, le=10, description="weight of 'nobody that is known'")
    slack_s: float = Field(
        default=0.8,
        ge=0,
        le=10,
        description="s by which a change may seem to come before or after the hand that made it",
    )


class DecisionSettings(Strict):
    """How changes and hands become interactions."""

    wait_s: float = Field(
        default=20.0, ge=0, le=60, description="how long after a hand left a shelf its change is waited for (s)"
    )
    gather_s: float = Field(
        default=2.5,
        ge=0,
        le=30,
        description="how long other cameras are waited for after a change was seen (s)",
    )
    spread_s: float = Field(
        default=0.6,
        ge=0,
        le=30,
        description="and how long neighbour slots and further parts of the change, where all cameras have told (s)",
    )
    clear_units: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="a change is clear once so many units' fronts changed, added up over the cameras: a hand or hair that holds "
        "still at a slot's edge came to 0.6 in one of them, a thing that was taken to 1.5 in two",
    )
    patience_s: float = Field(
        default=20.0,
        ge=0,
        le=120,
        description="how long a change that is not clear waits for cameras that have not seen the slot since: until whoever hides "
        "it has stepped aside (s)",
    )
    handless_units: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="one camera is believed without a hand if this many units' fronts changed: hands are missed more often "
        "than a whole front is mistaken",
    )
    cover_weight: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="weight of somebody who hid the whole slot from all its cameras at once, beside a hand seen in it (1)",
    )
    cover_floor: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="share that a camera is taken to have seen hidden at least: it may have missed the person",
    )
    narrowing_weight: float = Field(
        default=0.4,
        ge=0,
        le=10,
        description="weight from which a hand tells when the change was; below, it was any time between two clear looks",
    )
    explained_weight: float = Field(
        default=0.08,
        ge=0,
        le=1,
        description="weight from which a hand or a body explains a change: about half of what a body within reach has",
    )
    denial_ratio: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="a change is not told if cameras that deny it see this many times the pixels of those that saw it",
    )
    one_deed_s: float = Field(
        default=1.2, ge=0, le=30, description="how far apart cameras may see one deed begin and end (s)"
    )
    planned_trust: float = Field(
        default=0.95, gt=0, lt=1, description="trust that a slot holds what the planogram says, before it was looked at"
    )
    take_logit: float = Field(
        default=0.3,
        ge=-10,
        le=10,
        description="log odds of a take against a put before the pixels speak: most deeds are takes",
    )
    full_logit: float = Field(
        default=2.5, ge=0, le=10, description="what is added where nothing was ever taken: a full slot has no room"
    )
    bring_logit: float = Field(
        default=20.0,
        ge=0,
        le=100,
        description="log odds for each unit by which the place looks more like something the person holds than before, and "
        "than like the slot itself",
    )
    bring_gain: float = Field(
        default=0.09,
        ge=0,
        le=1,
        description="how much of that at which take and put are even: takes reached 0.15, puts began at 0.23",
    )
    holder_probability: float = Field(
        default=0.1, ge=0, le=1, description="persons less likely than this are not asked what they hold"
    )
    restored_logit: float = Field(
        default=4.0, ge=0, le=20, description="what a return to a former look says against a further step away from it"
    )
    known_odds: float = Field(
        default=20.0, ge=1, le=1000, description="odds of what is known to have lain there against the likeliest other"
    )
    outline_logit: float = Field(
        default=2.0,
        ge=0,
        le=50,
        description="log odds for each unit of log contrast that the changed region's rim lost or gained: weak where the "
        "next of its kind stands behind a thing that is taken",
    )
    likeness_lead_logit: float = Field(
        default=3.0,
        ge=0,
        le=50,
        description="the same for likeness to products: weaker, as it told 3 of 4 directions, outlines nearly all",
    )
    likeness_logit: float = Field(
        default=4.0,
        ge=0,
        le=100,
        description="log odds for each unit of likeness to reference pictures gained or lost",
    )
    likeness_floor: float = Field(
        default=0.5, ge=0, lt=1, description="likeness below which two colour histograms have nothing in common"
    )
    spill_ratio: float = Field(
        default=2.5,
        ge=1,
        le=20,
        description="how much stronger a neighbour's change must be to have caused this one too",
    )
    least_probability: float = Field(default=0.01, gt=0, lt=0.5, description="candidates below this are left out")


class CensusSettings(Strict):
    """How detected things are counted by slow cameras: learned on the shelf-bin clip v2 (see docs/interactions.md)."""

    cover_agreement: int = Field(
        default=1,
        ge=1,
        le=20,
        description="neighbours that must share a part in people's boxes, in place of the setting of the same name without boxes: a thing that only seemed gone "
        "behind a resting hand is taken back when it shows again",
    )
    smallest_share: float = Field(
        default=0.005, gt=0, le=1, description="share of the slot below which a box is too small to be judged"
    )
    largest_share: float = Field(
        default=0.75, gt=0, le=1, description="share of the slot above which a box is the shelf, and no thing on it"
    )
    unread_share: float = Field(
        default=0.25, ge=0, le=1, description="share of a box behind hands from which on it is not read"
    )
    area_log_std: float = Field(
        default=0.4,
        gt=0,
        le=5,
        description="standard deviation of the log of a box's area over its product's front: nearer, or hidden in part",
    )
    aspect_log_std: float = Field(
        default=0.3, gt=0, le=5, description="the same of its width over its height: turned, or hidden in part"
    )
    area_logit: float = Field(
        default=3.0, ge=0, le=100, description="most log odds that an area speaks against a product"
    )
    aspect_logit: float = Field(
        default=4.0, ge=0, le=100, description="most log odds that an aspect speaks against a product"
    )
    score_logit: float = Field(
        default=0.5, ge=0, le=10, description="log odds per e-fold of the detector's score, between boxes of one place"
    )
    least_logit: float = Field(
        default=9.0, ge=-50, le=50, description="log odds of its likeliest product below which a box is no thing"
    )
    sure_logit: float = Field(
        default=11.0,
        ge=-50,
        le=50,
        description="log odds from which on one look is enough; hands and bare floor that resemble a product stay below it",
    )
    sights: int = Field(
        default=2, ge=1, le=20, description="looks that must agree that a less sure thing is there, or not"
    )
    seen_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of the looks at it in which a less sure thing must be detected to be believed when it goes",
    )
    overlap: float = Field(
        default=0.35, gt=0, le=1, description="boxes of two looks that overlap more than this are of one thing"
    )
    contained: float = Field(
        default=0.75,
        gt=0,
        le=1,
        description="share of the smaller of two boxes in the larger above which one is a part",
    )
    counted: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="share of a new box of unchanged pixels in a known thing of its product above which it is that thing",
    )
    swapped_logit: float = Field(
        default=3.0, ge=0, le=50, description="lead of another product at the same place that makes it another thing"
    )
    new_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of a thing's place that must have changed for it to have come or gone",
    )
    still_share: float = Field(
        default=0.35,
        gt=0,
        le=1,
        description="share of its free pixels changed below which an undetected thing is there",
    )
    wiped_share: float = Field(
        default=0.6, gt=0, le=1, description="share from which on one look is enough for a thing to be gone"
    )
    held_looks: int = Field(
        default=3,
        ge=0,
        le=20,
        description="looks for which a change is kept back: a thing that shows again unmoved in that time had never gone",
    )
    free_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of a thing that must not be behind another for its absence to be seen",
    )
    hidden_share: float = Field(
        default=0.4, ge=0, le=1, description="share of a thing behind hands above which a look tells nothing of it"
    )
    lower_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="a box whose foot is lower by this share of the patch stands before another",
    )


class SlowSettings(Strict):
    """Cameras of about a frame a second: learned on the shelf-bin clip v2 and drawn bins (see docs/interactions.md)."""

    below_fps: float = Field(
        default=2.2, gt=0, le=30, description="1/s; cameras slower than this show no motion to judge frames by"
    )
    blur_px: float = Field(default=0.8, ge=0, le=5, description="patch px; smoothing before patches are compared")
    tolerance_levels: float = Field(
        default=16.0, ge=3, le=60, description="8-bit Lab; colours farther apart than this are not the same surface"
    )
    neighbours: int = Field(
        default=5, ge=1, le=20, description="patches before and after one that are compared with it to find hands"
    )
    arm_share: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="share of the slot that a new part found in no neighbour may have: less is no arm",
    )
    cover_share: float = Field(
        default=0.1, ge=0, le=1, description="share of a new part in people's boxes from which on it may be a hand's"
    )
    cover_agreement: int = Field(
        default=2, ge=1, le=20, description="neighbours that must share such a part: boxes hold more than the hand"
    )
    agreed_share: float = Field(
        default=0.8, ge=0, le=1, description="share of such a part that they must share for it to be the shelf's"
    )
    skin_agreement: int = Field(
        default=2,
        ge=0,
        le=20,
        description="neighbours that must share a new skin-coloured part: arms may rest for a frame",
    )
    smallest_share: float = Field(
        default=0.02, gt=0, le=1, description="share of the slot below which a change is light or a nudge"
    )
    follow: float = Field(default=0.15, ge=0, le=1, description="how fast the remembered look follows slow light")
    planned_odds: float = Field(
        default=2.0,
        ge=1,
        le=1000,
        description="odds of the planned product against each other: things move freely in a bin",
    )
    area_log_std: float = Field(
        default=0.5,
        gt=0,
        le=5,
        description="standard deviation of the log of changed area over a unit's front, hidden parts included",
    )
    take_logit: float = Field(default=0.3, ge=-10, le=10, description="log odds of a take before pixels speak")
    outline_logit: float = Field(
        default=4.0,
        ge=0,
        le=50,
        description="log odds per unit of log contrast that the region's rim lost: alone it told 92 to 94 % right; this, "
        "the next and the one after stand as a logistic regression on 199 single changes of v2 and drawn bins has them",
    )
    lead_logit: float = Field(
        default=9.0, ge=0, le=50, description="log odds per unit of likeness to products lost: alone 92 to 96 % right"
    )
    background_logit: float = Field(
        default=0.7,
        ge=0,
        le=50,
        description="log odds of a take where the background came to light, wholly: little, as what lay behind may be "
        "another thing",
    )
    likeness_logit: float = Field(
        default=30.0, ge=0, le=100, description="log odds between products per unit of likeness to their pictures"
    )
    likeness_floor: float = Field(
        default=0.5, ge=0, lt=1, description="likeness below which two colour histograms have nothing in common"
    )
    unpictured_likeness: float = Field(
        default=0.35, ge=0, le=1, description="likeness above the floor taken for a product without reference pictures"
    )
    colour_px: int = Field(
        default=9, ge=1, le=65, description="patch px; side of the square over which a pixel's product is judged"
    )
    part_units: float = Field(
        default=0.35, ge=0, le=2, description="units' fronts that a part of another colour must have to be a thing"
    )
    division_logit: float = Field(
        default=1.5, ge=0, le=50, description="log odds against each further product in one connected change"
    )
    moved_logit: float = Field(
        default=2.0, ge=0, le=50, description="log odds for a thing that was moved against one taken and another put"
    )
    real_logit: float = Field(
        default=-5.9,
        ge=-50,
        le=50,
        description="log odds that a change is a thing's before it is looked at; this and the next four are a logistic "
        "regression on 578 changes of v2 and of drawn bins (area under the curve 0.86 to 0.88, each kind left out)",
    )
    real_sure: float = Field(default=0.4, ge=0, le=10, description="the same per log odds of the direction")
    sure_logit: float = Field(default=6.0, ge=0, le=50, description="log odds of the direction beyond which it is sure")
    real_thickness: float = Field(
        default=3.0, ge=0, le=50, description="the same per unit side of its largest disc: shadows and nudges are thin"
    )
    real_likeness: float = Field(
        default=7.7, ge=0, le=50, description="the same per unit of likeness to its product where it shows"
    )
    real_loss: float = Field(
        default=4.5, ge=0, le=50, description="the same per unit of that likeness that came or went with it"
    )
    least_logit: float = Field(default=-0.7, ge=-20, le=20, description="log odds below which a change is none")
    further_logit: float = Field(
        default=1.3, ge=-20, le=20, description="the same for smaller ones at the same time: two at once are rarer"
    )
    least_units: float = Field(
        default=0.3, ge=0, le=2, description="units' fronts below which a change is none: most of a thing is hidden"
    )
    two_units: float = Field(
        default=2.2, ge=1, le=10, description="units' fronts above which a change is two units: near ones look larger"
    )
    census: CensusSettings = CensusSettings()


class ShelvesSettings(Strict):
    """All of it."""

    observer: ObserverSettings = ObserverSettings()
    change: ChangeSettings = ChangeSettings()
    reach: ReachSettings = ReachSettings()
    decision: DecisionSettings = DecisionSettings()
    slow: SlowSettings = SlowSettings()
