"""The usual measures of similarity between representations, on arrays."""

from sametask.measures.measure import Change as Change
from sametask.measures.measure import Measure as Measure
from sametask.measures.similarity import FEWEST as FEWEST
from sametask.measures.similarity import Reading as Reading
from sametask.measures.similarity import Similarity as Similarity
from sametask.measures.similarity import similarity as similarity
from sametask.measures.usual import USUAL as USUAL
from sametask.measures.usual import cca as cca
from sametask.measures.usual import linear_cka as linear_cka
from sametask.measures.usual import linear_cka_debiased as linear_cka_debiased
from sametask.measures.usual import mutual_neighbours as mutual_neighbours
from sametask.measures.usual import procrustes as procrustes
from sametask.measures.usual import pwcca as pwcca
from sametask.measures.usual import rbf_cka as rbf_cka
from sametask.measures.usual import rbf_cka_debiased as rbf_cka_debiased
from sametask.measures.usual import rsa_pearson as rsa_pearson
from sametask.measures.usual import rsa_spearman as rsa_spearman
from sametask.measures.usual import svcca as svcca
