"""Losses, log-probabilities and the training loop; reads curated records, writes checkpoints."""
