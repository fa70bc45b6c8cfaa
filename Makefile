# make demo | make test | make lint | make fuzz | make soak | make bench | make evaluate | make train-bounded | make train-mhgan | make train-mrflow | make train-ct | make docs; each makes .venv first when it is not there.
SHELL := /bin/bash
PYTHON ?= python3
EXTRAS ?= dev
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

INPUT ?=
PACS ?= embedded
RULES ?=
KEEP ?=
MODELS ?= harmonize-histogram harmonize-nyul harmonize-n4 harmonize-base harmonize-bounded harmonize-mhgan harmonize-mrflow synth-ct-water synth-ct-bulk synth-ct-unet synth-ct-pix2pix synth-ct-cyclegan
SET ?= default
OUT ?= evaluation
RESUME ?=
# GPUS=4: torchrun starts a process for each graphics card, and all share each batch; without cards, on the CPU
TRAIN = $(BIN)/$(if $(GPUS),torchrun --standalone --nproc-per-node $(GPUS) -m --,python -m)
RUN ?= build/bounded
DATA ?=
FRACTION ?= 1
KILLS ?= 200
SEED ?= 1
SOAK_MINUTES ?= 10

.DEFAULT_GOAL := help
.PHONY: help install demo test lint chaos fuzz soak bench evaluate train-bounded train-mhgan train-mrflow train-ct docs clean

help:  ## show this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed: make PYTHON=python3.11 …'; exit 1; }
	@echo 'Making $(VENV) with everything that the node needs (once; a few minutes, most of it PyTorch) …'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar on -c constraints.txt -e '.$(if $(EXTRAS),[$(EXTRAS)])'
	@touch $@

install: $(STAMP)  ## only make .venv; EXTRAS= leaves the tools of development out

demo: $(STAMP)  ## scanner -> node -> PACS; INPUT=folder: your own DICOM; PACS=orthanc; KEEP=1: leave it running
	@$(BIN)/python -m dicom_node.demo --pacs $(PACS) $(if $(INPUT),--input '$(INPUT)') $(if $(RULES),--rules '$(RULES)') $(if $(KEEP),--keep)

test: $(STAMP) lint  ## lint, types, layers and tests
	@$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

chaos: $(STAMP)  ## kill -9 a working node at random moments, KILLS=200 times; SEED=1
	@DICOM_NODE_CHAOS_KILLS=$(KILLS) DICOM_NODE_CHAOS_SEED=$(SEED) $(BIN)/python -m pytest tests/network/test_node_chaos.py

fuzz: $(STAMP)  ## 5,000 damaged PDUs and 2,000 damaged data sets against the receiver; SEED=1
	@DICOM_NODE_FUZZ_PDUS=5000 DICOM_NODE_FUZZ_DATASETS=2000 DICOM_NODE_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest tests/network/test_receive_fuzz.py

soak: $(STAMP)  ## senders of all kinds at a node for SOAK_MINUTES=10: nothing is lost, nothing grows; SEED=1
	@DICOM_NODE_SOAK_MINUTES=$(SOAK_MINUTES) DICOM_NODE_SOAK_SEED=$(SEED) $(BIN)/python -m pytest tests/network/test_node_soak.py

bench: $(STAMP)  ## what is measured, each as ratios within one run
	@for each in benchmarks/*.py; do $(BIN)/python $$each; done

evaluate: $(STAMP)  ## all models against known truth, SET=quick|default|full; MODELS='…'; OUT=folder; RESUME=1: go on
	@$(BIN)/python -m training.evaluate all --set $(SET) --out '$(OUT)' --bundles training/compared --models $(MODELS) $(if $(RESUME),--resume)

train-bounded: $(STAMP)  ## train the default harmonizer (an hour or more); RESUME=1: go on; FRACTION=0.05; DATA=folder; RUN=folder
	@$(BIN)/python -m training.loops.bounded --run '$(RUN)' --fraction $(FRACTION) $(if $(DATA),--data '$(DATA)') $(if $(RESUME),--resume) $(if $(filter command line,$(origin SEED)),--seed $(SEED))

train-mhgan: MHGAN_RUN = $(if $(filter command line,$(origin RUN)),$(RUN),build/mhgan)
train-mhgan: $(STAMP)  ## train the multi-harmonization GAN (hours); RESUME=1: go on; FRACTION=0.05; DATA=folder; SITES=folder of scans a site; RUN=folder; CONFIG=file; GPUS=4
	@$(TRAIN) training.loops.mhgan --config '$(or $(CONFIG),training/configs/mhgan.yaml)' --run '$(MHGAN_RUN)' --fraction $(FRACTION) $(if $(DATA),--data '$(DATA)') $(if $(SITES),--sites '$(SITES)') $(if $(RESUME),--resume) $(if $(filter command line,$(origin SEED)),--seed $(SEED))

# `unet`, or a configuration beside it: pix2pix, pix2pix-stable, pix2pix-wasserstein, cyclegan, wolterink
train-ct: CT = $(if $(filter command line,$(origin MODEL)),$(MODEL),unet)
train-ct: CT_RUN = $(if $(filter command line,$(origin RUN)),$(RUN),build/ct-$(CT))
train-ct: $(STAMP)  ## train a synthetic CT (an hour), MODEL=unet|pix2pix|cyclegan; RESUME=1: go on; FRACTION=0.05; DATA=folder; RUN=folder; GPUS=4
	@$(TRAIN) training.loops.$(if $(filter unet,$(CT)),ct_unet,ct_gan) --config training/configs/ct-$(CT).yaml --run '$(CT_RUN)' --fraction $(FRACTION) $(if $(DATA),--data '$(DATA)') $(if $(RESUME),--resume)

# a flow a target: TARGET=ge-15t; CONFIG=mrflow-seed|mrflow-public|mrflow
train-mrflow: FLOW_OF = $(if $(filter command line,$(origin TARGET)),$(TARGET),siemens-3t)
train-mrflow: FLOW_RUN = $(if $(filter command line,$(origin RUN)),$(RUN),build/mrflow-$(FLOW_OF))
train-mrflow: $(STAMP)  ## train the flow of a target (hours), TARGET=siemens-3t; CONFIG=mrflow; RESUME=1: go on; FRACTION=0.05; SEED; DATA=folder; SCANS=folder of a scanner of your own; RUN=folder; GPUS=4
	@$(TRAIN) training.loops.mrflow --config training/configs/$(if $(CONFIG),$(CONFIG),mrflow).yaml --run '$(FLOW_RUN)' --target '$(FLOW_OF)' --fraction $(FRACTION) $(if $(DATA),--data '$(DATA)') $(if $(SCANS),--scans '$(SCANS)') $(if $(RESUME),--resume) $(if $(filter command line,$(origin SEED)),--seed $(SEED))

docs: $(STAMP)  ## write the tables in docs/ that come from the code
	@$(BIN)/python -m dicom_node.route.reference docs/reference/routing-rules.md
	@$(BIN)/python docs/conformance/generate.py
	@$(BIN)/python docs/reference/generate.py

clean:  ## remove .venv and what the demo made
	rm -rf $(VENV) demo-output
