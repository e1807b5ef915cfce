"""Pure numerics on arrays; knows nothing of networks or files."""

from sametask.numerics.diffusion import DiffusionOperator as DiffusionOperator
from sametask.numerics.diffusion import diffusion_operator as diffusion_operator
from sametask.numerics.local_metric import LocalMetric as LocalMetric
from sametask.numerics.manifold import SampledManifold as SampledManifold
from sametask.numerics.neighbours import NeighbourGraph as NeighbourGraph
from sametask.numerics.neighbours import neighbour_graph as neighbour_graph
from sametask.numerics.procrustes import orthogonal as orthogonal
