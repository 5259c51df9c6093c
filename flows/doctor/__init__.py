"""What this machine has and lacks for a run; a check is a pure function of facts, `facts.py` alone gathers them."""
