"""A network seen at some inputs: activations and the local metric around each."""

from sametask.probes.neighbourhoods import Burst as Burst
from sametask.probes.neighbourhoods import CentralDifference as CentralDifference
from sametask.probes.neighbourhoods import Jacobian as Jacobian
from sametask.probes.neighbourhoods import Neighbourhood as Neighbourhood
from sametask.probes.neighbourhoods import Neighbours as Neighbours
from sametask.probes.probe import Probe as Probe
from sametask.probes.probing import probe as probe
from sametask.probes.rank import LocalRank as LocalRank
from sametask.probes.rank import local_rank as local_rank
from sametask.probes.stored import StoredProbe as StoredProbe
from sametask.probes.units import in_units as in_units
