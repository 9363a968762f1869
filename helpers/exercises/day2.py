"""Exercises of Day 2: references, inputs, mistakes and hints. How to read it: see day1.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from helpers.exercises.engine import SEED, Refused, define, different_kind, gradients


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- 01 gans


# ---------------------------------------------------------------- 02 better_gans


# ---------------------------------------------------------------- 03 style_and_cycles


# ---------------------------------------------------------------- 04 diffusion
