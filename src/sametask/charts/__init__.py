"""Intrinsic pictures of the input manifold, one for each network, that do not depend on the network."""

from sametask.charts.chart import Chart as Chart
from sametask.charts.chart import chart as chart
from sametask.charts.diffusion import DiffusionChart as DiffusionChart
