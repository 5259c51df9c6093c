"""Orchestration: the Prefect flow of a round, the settings of a run, the command line."""
