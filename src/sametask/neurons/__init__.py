"""How many neurons are enough, and what follows from a few."""

from sametask.neurons.reconstruction import Reconstruction as Reconstruction
from sametask.neurons.whitney import Whitney as Whitney
