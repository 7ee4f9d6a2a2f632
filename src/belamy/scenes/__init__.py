"""Scenes of simple shapes: what can be in them, how English says so, how they are drawn, and how pixels are read."""
