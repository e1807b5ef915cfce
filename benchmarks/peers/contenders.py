"""Who takes part, and what each is given. Nothing of theirs is imported here."""

from __future__ import annotations

from dataclasses import dataclass

CHART, MAP = "chart", "map"
DATAFOLD = "by_datafold"
"""The module that runs in an environment of its own."""


@dataclass(frozen=True)
class Contender:
    """One line of the table.

    Attributes:
        name: as printed.
        module: that has the function.
        function: which to call.
        part: whether it charts one network or maps between two.
        pairs: how many samples are known to correspond: ``"all"``, ``"six"`` or ``"none"``.
        metric: whether it uses the covariances around the samples.
    """

    name: str
    module: str
    function: str
    part: str
    pairs: str = "none"
    metric: bool = False

    @property
    def ours(self) -> bool:
        """Whether it is sametask itself."""
        return self.module == "by_sametask"

    @property
    def key(self) -> str:
        """Name of its files."""
        return f"{self.part}-{self.module}-{self.function}-{self.pairs}"


CONTENDERS = (
    Contender("sametask", "by_sametask", "chart", CHART, metric=True),
    Contender("datafold, own bandwidth", DATAFOLD, "chart_own", CHART, metric=True),
    Contender("datafold, bandwidth by slope", DATAFOLD, "chart_slope", CHART, metric=True),
    Contender("pydiffmap", "by_pydiffmap", "chart", CHART),
    Contender("pydiffmap, Mahalanobis metric", "by_pydiffmap", "chart_metric", CHART, metric=True),
    Contender("SpectralEmbedding", "by_sklearn", "chart", CHART),
    Contender("SpectralEmbedding, Mahalanobis", "by_sklearn", "chart_metric", CHART, metric=True),
    Contender("sametask", "by_sametask", "anchored", MAP, "six", metric=True),
    Contender("sametask, no anchors", "by_sametask", "unanchored", MAP, "none", metric=True),
    Contender("paper's pipeline in datafold", DATAFOLD, "pipeline", MAP, "six", metric=True),
    Contender("netrep, rotation", "by_netrep", "rotation", MAP, "all"),
    Contender("netrep, rotation", "by_netrep", "rotation", MAP, "six"),
    Contender("netrep, any linear map", "by_netrep", "linear", MAP, "all"),
    Contender("netrep, any linear map", "by_netrep", "linear", MAP, "six"),
    Contender("latentis, Procrustes", "by_latentis", "procrustes", MAP, "all"),
    Contender("latentis, Procrustes", "by_latentis", "procrustes", MAP, "six"),
    Contender("latentis, affine", "by_latentis", "affine", MAP, "all"),
    Contender("latentis, affine", "by_latentis", "affine", MAP, "six"),
    Contender("CCA (scikit-learn)", "by_sklearn", "cca", MAP, "all"),
    Contender("CCA (scikit-learn)", "by_sklearn", "cca", MAP, "six"),
    Contender("k-NN (scikit-learn)", "by_sklearn", "nearest", MAP, "all"),
    Contender("kernel ridge (scikit-learn)", "by_sklearn", "kernel_ridge", MAP, "all"),
)
"""In each part sametask comes first; ratios are to it."""
