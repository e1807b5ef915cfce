"""Shapes in annotations are enforced while the tests run; each of the processes that run them keeps to one thread."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and PyTorch are loaded

from jaxtyping import install_import_hook

install_import_hook("sametask", "beartype.beartype")
