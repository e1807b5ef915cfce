"""Have two neural networks learned the same thing, and if so, what turns one into the other?"""

from sametask._check import InputError as InputError
from sametask._check import MissingExtraError as MissingExtraError
from sametask.charts import Chart as Chart
from sametask.charts import DiffusionChart as DiffusionChart
from sametask.charts import chart as chart
from sametask.compare import compare as compare
from sametask.matching import Match as Match
from sametask.matching import SameOrder as SameOrder
from sametask.matching import SameSet as SameSet
from sametask.matching import match as match
from sametask.networks import Network as Network
from sametask.networks import from_callable as from_callable
from sametask.networks import from_onnx as from_onnx
from sametask.networks import from_torch as from_torch
from sametask.probes import Burst as Burst
from sametask.probes import CentralDifference as CentralDifference
from sametask.probes import Jacobian as Jacobian
from sametask.probes import Neighbours as Neighbours
from sametask.probes import Probe as Probe
from sametask.probes import local_rank as local_rank
from sametask.probes import probe as probe
from sametask.transformation import Estimate as Estimate
from sametask.transformation import Transformation as Transformation
from sametask.verdict import Decision as Decision
from sametask.verdict import Evidence as Evidence
from sametask.verdict import Verdict as Verdict
