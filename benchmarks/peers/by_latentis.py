"""latentis' translations: its Procrustes class, and its least squares between standardised spaces, which is affine."""

from __future__ import annotations

# the peer is not installed where types are checked: hence what is ignored of its imports
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from given import Task
from latentis.transform.base import StandardScaling  # pyright: ignore[reportMissingImports]
from latentis.transform.translate.aligner import (  # pyright: ignore[reportMissingImports]
    MatrixAligner,
    Procrustes,
    Translator,
)
from latentis.transform.translate.functional import lstsq_align_state  # pyright: ignore[reportMissingImports]

VERSION = f"latentis {version('latentis')}"


def procrustes(task: Task, pairs: str) -> np.ndarray:
    """A rotation or reflection between standardised spaces."""
    return _translated(Procrustes(), task, pairs)


def affine(task: Task, pairs: str) -> np.ndarray:
    """Least squares."""
    # annotated as if it returned the matrix alone; its own class hands it functions that return a state, as this does
    aligner = MatrixAligner("least squares", lstsq_align_state)  # pyright: ignore[reportArgumentType]
    return _translated(
        Translator(aligner=aligner, x_transform=StandardScaling(), y_transform=StandardScaling()), task, pairs
    )


def _translated(translator: Any, task: Task, pairs: str) -> np.ndarray:
    x, y = (torch.from_numpy(each) for each in task.pairs(pairs))
    return translator.fit(x, y).transform(torch.from_numpy(task.unseen))[0].numpy()
