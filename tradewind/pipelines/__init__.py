"""Pipelines: Python functions become steps, each placed where it is cheapest. `tw.step`, `tw.pipeline`."""
