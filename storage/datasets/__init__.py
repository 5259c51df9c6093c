"""Adapters: a benchmark's files on disk become `Sample` records."""
