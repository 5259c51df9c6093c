"""Benchmark metrics: pure functions of samples and graded responses; shares are 0 to 1."""
