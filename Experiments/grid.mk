# A grid of experiments as files: make -f Experiments/grid.mk STUDY=Experiments/study.mk
#
# One cell a combination of axis, alpha and seed, each a run of Experiments/federated.mk in a folder of its own,
# with the arms side by side. The corpus is scored once. A killed grid goes on where it stopped; with -jN,
# N trainings run side by side, of one cell or of several.
#
#   runs/NAME/scored.jsonl  AXIS-ALPHA-SEED/…  report.html  (all cells compared)

include $(STUDY)

RUN    ?= runs/$(NAME)
AXES   ?= length quality
ALPHAS ?= 0.1 100
SEEDS  ?= 1 2
# What all cells share: variables of Experiments/federated.mk.
CELL   ?= $(STUDY)

CELLS := $(foreach axis,$(AXES),$(foreach alpha,$(ALPHAS),$(foreach seed,$(SEEDS),$(axis)-$(alpha)-$(seed))))
part   = $(word $(1),$(subst -, ,$(2)))

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all $(CELLS)
all: $(RUN)/report.html

$(RUN)/scored.jsonl:
	@$(MAKE) --no-print-directory -f Experiments/federated.mk EXPERIMENT=$(CELL) RUN=$(RUN) $@

# A cell is up to date when its own makefile says so.
$(CELLS): $(RUN)/scored.jsonl
	@echo "cell $@"
	@$(MAKE) --no-print-directory -f Experiments/federated.mk EXPERIMENT=$(CELL) RUN=$(RUN)/$@ \
	  SCORED=$(RUN)/scored.jsonl PARTITION_BY=$(call part,1,$@) ALPHA=$(call part,2,$@) SEED=$(call part,3,$@) all

$(RUN)/report.html: $(CELLS)
	$(or $(REPORT),cl-report) $(CELLS:%=$(RUN)/%) -o $@
