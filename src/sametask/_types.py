"""Array aliases.

Shapes are written in annotations, ``Float[Array, "n m"]``; the tests switch on their enforcement at run time.
The letters mean the same everywhere: ``n`` samples, ``m`` neurons, ``d`` intrinsic dimensions, ``k`` neighbours,
``p`` pairs of samples, ``e`` eigenpairs.
"""

from jaxtyping import Bool as Bool
from jaxtyping import Float as Float
from jaxtyping import Int as Int
from jaxtyping import Shaped as Shaped
from numpy import ndarray as Array

__all__ = ["Array", "Bool", "Float", "Int", "Shaped"]
