"""Candidates of a match without anchors: refined from a first guess, and compared with one another."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sametask._types import Array
from sametask.charts.chart import Chart
from sametask.matching import isometric
from sametask.matching.isometric import Images
from sametask.matching.least_squares import Pulls
from sametask.matching.observables import Observables
from sametask.matching.support import Walls
from sametask.numerics.edges import Edges

GLANCE, _TRIED, _TRIED_WITHIN, TO_THE_END = 3, 8, 16, 30
"""Iterations of the refinement: for a glance, until it has settled (a part has more to slide), to the end."""
_REACH = 2.0
"""So many times farther edges of a whole are taken for those of a part, until it has settled."""
_TOLERANCE_TRIED = 1e-2
_TOLERANCE = 1e-4
"""Of places, in units of the spacing, which edges of the manifolds tell to a tenth."""
_AS_GOOD = 2.0
_AS_USUAL = 1.5
_AS_TORN = 0.1
_AS_CUT = 0.1
_NO_STRAIN = 1e-3
_VOICES = 8
_SURELY = 2.5
"""Candidates are as good as the best to within these factors of its overshoot (or of what halves of one network show),
if they tear hardly more, cut hardly more of an edge, and strain about as many samples more (by more than nothing) as
they strain less: mirror images measured 46 to 54 %, wrong maps of a bumpy sphere 62 to 79 %. Of so many samples one is
heard by itself; of a hundred at an edge cuts are known to a tenth."""

Places = tuple[Array, Array]
"""Samples and offsets."""


@dataclass(frozen=True)
class Candidate:
    """One way in which two charts could belong together.

    Attributes:
        images: refined places of the first's samples.
        overshoot: how far samples of either lie beyond those of the other, in units of the spacing; 0 where anchors
            decided and it was not asked.
        cut: share of the smaller manifold's edge that lies deep inside the larger one; 0 where neither is a part.
    """

    images: Images
    overshoot: float = 0.0
    cut: float = 0.0

    @property
    def places(self) -> Places:
        """Of the first's samples."""
        return self.images.sample, self.images.offset

    @property
    def torn(self) -> float:
        """Root mean square strain, where tearing an edge apart counts as much as tearing it far apart."""
        return float(np.sqrt(np.mean(np.square(np.minimum(self.images.strain, 1)))))

    @property
    def score(self) -> float:
        """Lower is better: what places are off by, in units of the spacing; edges are some two spacings long."""
        return float(np.hypot(self.overshoot, 2 * self.torn))

    def fits(self, best: Candidate, usual: float) -> bool:
        """Whether it is as good as the best, however much of an edge it cuts.

        Args:
            best: the candidate to be held against.
            usual: how far halves of one network overshoot each other.
        """
        more = float(np.mean(self.images.strain > best.images.strain + _NO_STRAIN))
        most = 0.5 + _SURELY * 0.5 / float(np.sqrt(len(best.images.strain) / _VOICES))
        within = self.overshoot <= max(_AS_GOOD * best.overshoot, _AS_USUAL * usual)
        return within and more <= most and self.torn <= best.torn + _AS_TORN

    def as_good(self, best: Candidate, usual: float) -> bool:
        """Whether it is as good as the best."""
        return self.fits(best, usual) and self.cut <= best.cut + _AS_CUT


def least_cut_first(found: list[Candidate], usual: float) -> list[Candidate]:
    """Candidates with those that fit as well as the best before all others, the one that cuts least first; as they are
    where nothing is cut."""
    if not any(each.cut for each in found):
        return found
    return sorted(found, key=lambda each: (not each.fits(found[0], usual), each.cut))


@dataclass(frozen=True)
class Pair:
    """Two charts, and what a match between them is held by.

    Attributes:
        first, second: the two.
        edges: of the first.
        walls: between them.
        deep: (m,) how far each of the second's samples is from its rim, where the first is a part of it.
    """

    first: Chart
    second: Chart
    edges: Edges
    walls: Walls
    deep: Array

    @staticmethod
    def of(first: Chart, second: Chart, within: float = 0.0) -> Pair:
        """Of these charts; see :attr:`Walls.within`."""
        walls = Walls.between((first.manifold, first.graph), (second.manifold, second.graph), within)
        deep = walls.second.from_rim(second.edges) if within else np.empty(0)
        return Pair(first, second, first.edges, walls, deep)

    def refined(
        self,
        start: Places,
        *,
        iterations: int | None = None,
        anchors: Array | None = None,
        observed: Observables | None = None,
    ) -> Candidate:
        """The candidate that a first guess comes to, not to the end unless so many iterations are asked for."""
        to_the_end = iterations == TO_THE_END
        if iterations is None:
            iterations = _TRIED_WITHIN if self.walls.within else _TRIED
        reach = dataclasses.replace(self.walls, within=self.walls.within * (1 if to_the_end else _REACH))

        def pulls(sample: Array, offset: Array, rotation: Array) -> Pulls:
            walls = reach(sample, offset, rotation)
            return walls if observed is None else Pulls.all(walls, observed.pulls(sample, offset, rotation))

        images = isometric.refine(
            self.first.manifold,
            self.second.manifold,
            self.edges,
            start,
            anchors=anchors,
            pulls=pulls,
            iterations=iterations,
            tolerance=_TOLERANCE if to_the_end else _TOLERANCE_TRIED,
            repairs=2 if to_the_end else int(iterations > GLANCE),
            draws=8 if to_the_end else 0,
        )
        cut = self.walls.cut(images.sample, self.deep) if self.walls.within else 0.0
        return Candidate(images, self.walls.overshoot(images.sample, images.offset, images.differential), cut)
