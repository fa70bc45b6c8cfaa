"""Hounsfield units: what a synthetic CT is measured in, and how far it reaches."""

from __future__ import annotations

HOUNSFIELD = "[hnsf'U]"
"""UCUM code of the unit."""

AIR_HU = -1000.0
"""Air, by the definition of the unit."""

WATER_HU = 0.0
"""Water, by the definition of the unit."""

OUTSIDE_HU = -1024.0
"""What stands outside the body: the lowest value, so that it is told from air inside."""

RANGE_HU = (-1024.0, 3000.0)
"""Lowest and highest value of a synthetic CT; the range in which the SynthRAD challenges compare."""
