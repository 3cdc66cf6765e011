# Rounds of federated LoRA as files: make -f Experiments/federated.mk EXPERIMENT=Experiments/demo.mk
#
# Every target is one file that its tool writes under a temporary name and renames, so a killed run
# goes on where it stopped and ends with the same bytes. With -jN, N clients train side by side.
#
#   runs/NAME/  scored.jsonl  shards/plan.json  shards/client-000.{train,test}.jsonl  heldout.jsonl
#     initial.safetensors                      the adapter from which all clients start
#     eval/base.heldout.json                   the base model alone
#     arm-federated/round-001/client-000.safetensors  client-000.events.jsonl  global.safetensors
#       aggregate.jsonl  eval/global.heldout.json
#     arm-local/round-001/client-000.safetensors  eval/client-000.heldout.json     no aggregation
#     arm-pooled/round-001/pooled.safetensors     eval/pooled.heldout.json         all data in one place
#     report.html

include $(EXPERIMENT)

# --- what an experiment may set ------------------------------------------------------------------

RUN             ?= runs/$(NAME)
MODEL           ?= $(DEFAULT_MODEL)
CORPUS          ?= $(DEFAULT_CORPUS)
CORPUS_FORMAT   ?= dictd
CONTEXT         ?= 512
CLIENTS         ?= 4
ROUNDS          ?= 2
SEED            ?= 1
SAMPLE          ?=
KEEP            ?=
PARTITION_BY    ?= length
METHOD          ?= dirichlet
ALPHA           ?= 0.5
BINS            ?= quantile:10
MIN_RECORDS     ?= 10
SPLIT           ?= train=.8,test=.2
TRAIN_FLAGS     ?= --rank 16 --lora-alpha 32
# reset or keep the optimizer's state from round to round
OPTIMIZER_STATE ?= reset
# Clients of a round: a share such as .25, or a number; empty means all. The plan says which.
PARTICIPATION   ?=
# The chance that a client is there in a round; empty means always. Needs PARTICIPATION.
AVAILABILITY    ?=
# May name $(@D), the folder of the round.
AGGREGATE_FLAGS ?=
# Which file of a round is evaluated: global, or exact where a rule writes that beside it.
GLOBAL_MODEL    ?= global
WEIGHTS         ?= records
ARMS            ?= federated local
# Programs: any of them may be somebody else's, as long as it reads and writes the same files.
TRAIN           ?= cl-train
AGGREGATE       ?= cl-aggregate
SCORE           ?= cl-score
EVALUATE        ?= cl-score
PARTITION       ?= cl-partition
REPORT          ?= cl-report
# Put before each client's training, for example: srun -c 8
LAUNCH          ?=
# Threads a training: all processors, or one when clients train side by side.
THREADS         ?= $(if $(filter-out -j1,$(filter -j%,$(MAKEFLAGS))),1,0)

# --- names ---------------------------------------------------------------------------------------

SPACE       := $(subst ,, )
CLIENT_IDS  := $(shell seq -f '%03g' 0 $$(( $(CLIENTS) - 1 )))
ROUND_IDS   := $(shell seq -f '%03g' 1 $(ROUNDS))
LAST_ROUND  := $(lastword $(ROUND_IDS))
# $(call before,ROUND): the round before, empty for the first
before       = $(shell printf '%s\n' $(ROUND_IDS) | grep -B1 -x $(1) | head -n1 | grep -vx $(1))
INITIAL     := $(RUN)/initial.safetensors
# Records that were scored before, for example by a grid of experiments.
SCORED      ?= $(RUN)/scored.jsonl
PLAN        := $(RUN)/shards/plan.json
HELDOUT     := $(RUN)/heldout.jsonl
FEDERATED   := $(RUN)/arm-federated
LOCAL       := $(RUN)/arm-local
POOLED      := $(RUN)/arm-pooled

# CLIENTS_002 are the clients of round 2: out of the plan, which Make brings about before it goes on, or all.
ifneq ($(PARTICIPATION),)
include $(RUN)/participation.mk
endif
$(foreach round,$(ROUND_IDS),$(eval CLIENTS_$(round) ?= $(CLIENT_IDS)))
# EARLIER_003 are the rounds before round 3. $(call turn_before,ROUND,CLIENT): the client's round before
# this one, empty for its first.
SEEN        :=
$(foreach round,$(ROUND_IDS),$(eval EARLIER_$(round) := $(SEEN))$(eval SEEN += $(round)))
turn_before  = $(lastword $(foreach round,$(EARLIER_$(1)),$(if $(filter $(2),$(CLIENTS_$(round))),$(round))))

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all
all: $(RUN)/report.html

# --- corpus, scores, shards ----------------------------------------------------------------------

$(RUN)/scored.jsonl: $(CORPUS) $(MODEL)
	@mkdir -p $(@D)
	$(SCORE) --format $(CORPUS_FORMAT) --tokenizer $(MODEL) --context $(CONTEXT) $(CORPUS) \
	  --summary $(RUN)/score-summary.json --manifest $(RUN)/score-manifest.json -o $@

# The plan is written last: when it is there, the shards are.
$(PLAN): $(SCORED) $(EXPERIMENT)
	$(PARTITION) $< --clients $(CLIENTS) --by $(PARTITION_BY) --method $(METHOD) --alpha $(ALPHA) \
	  --bins $(BINS) --min-records $(MIN_RECORDS) --split $(SPLIT) --seed $(SEED) \
	  $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(KEEP),--keep $(KEEP)) \
	  $(if $(PARTICIPATION),--rounds $(ROUNDS) --participation $(PARTICIPATION)) \
	  $(if $(AVAILABILITY),--availability $(AVAILABILITY)) -o $(@D)

$(RUN)/participation.mk: $(PLAN)
	@sed -n 's/.*"participation":{[^[]*"clients":\[\[\(.*\)\]\]}.*/\1/p' $< | \
	  sed 's/\],\[/\n/g; s/"//g; s/,/ /g' | awk '{ printf "CLIENTS_%03d := %s\n", NR, $$0 }' > $@.tmp && mv $@.tmp $@

$(HELDOUT): $(PLAN)
	@cat $(CLIENT_IDS:%=$(RUN)/shards/client-%.test.jsonl) > $@.tmp && mv $@.tmp $@

$(INITIAL): $(PLAN) $(MODEL)
	$(TRAIN) --model $(MODEL) $(TRAIN_FLAGS) --context $(CONTEXT) --seed $(SEED) --steps 0 \
	  $(RUN)/shards/client-000.train.jsonl -o $@

# --- training: $(call train,ARM,ROUND,CLIENT,PARENT,SHARDS,STATE OF THE ROUND BEFORE) --------------

define train
$(1)/round-$(2)/$(3).safetensors: $(4) $(PLAN) $(if $(filter keep,$(OPTIMIZER_STATE)),$(6))
	@mkdir -p $$(@D)
	$(if $(and $(filter keep,$(OPTIMIZER_STATE)),$(6)),@cp $(6:.safetensors=.optimizer) $$(@:.safetensors=.optimizer))
	$(LAUNCH) $(TRAIN) --model $(MODEL) --adapter $(4) $(filter-out $(ADAPTER_OWNS),$(TRAIN_OPTIONS)) \
	  --context $(CONTEXT) --client $(3:client-%=%) --round $(2) --seed $(SEED) -j $$(THREADS) \
	  $(if $(filter keep,$(OPTIMIZER_STATE)),--optimizer-state $$(@:.safetensors=.optimizer)) \
	  --checkpoint $$(@:.safetensors=.checkpoint) --resume --log $$(@:.safetensors=.events.jsonl) \
	  --manifest $$(@:.safetensors=.manifest.json) $(5) -o $$@
endef

# $(call evaluate,TARGET,RECORDS,ADAPTER)
define evaluate
$(1): $(2) $(3) $(MODEL)
	@mkdir -p $$(@D)
	$(EVALUATE) --model $(MODEL) $(if $(3),--adapter $(3)) --context $(CONTEXT) --signals none -j $$(THREADS) \
	  $(2) --summary $$@ -o /dev/null
endef

# Rank, alpha and targets come with the adapter that is trained on.
TRAIN_OPTIONS = $(shell printf '%s\n' '$(TRAIN_FLAGS)' | \
  sed -E 's/--(rank|lora-alpha|target-modules|layers|lora-init)[ =][^ ]+//g; s/--rslora//g')

EVALUATIONS := $(RUN)/eval/base.heldout.json
$(eval $(call evaluate,$(RUN)/eval/base.heldout.json,$(HELDOUT),))

# --- arm: federated ------------------------------------------------------------------------------

parent = $(if $(call before,$(1)),$(FEDERATED)/round-$(call before,$(1))/global.safetensors,$(INITIAL))
ifneq ($(filter federated local,$(ARMS)),)
$(foreach round,$(ROUND_IDS),$(foreach client,$(CLIENTS_$(round)),$(eval $(call \
  train,$(FEDERATED),$(round),client-$(client),$(call parent,$(round)),$(RUN)/shards/client-$(client).train.jsonl,$(if \
  $(call turn_before,$(round),$(client)),$(FEDERATED)/round-$(call turn_before,$(round),$(client))/client-$(client).safetensors)))))

$(foreach round,$(ROUND_IDS),$(eval $(FEDERATED)/round-$(round)/global.safetensors: \
  $(foreach client,$(CLIENTS_$(round)),$(FEDERATED)/round-$(round)/client-$(client).safetensors)))
$(ROUND_IDS:%=$(FEDERATED)/round-%/global.safetensors):
	$(AGGREGATE) $^ --weights $(WEIGHTS) $(AGGREGATE_FLAGS) --report $(@D)/aggregate.jsonl -o $@

ifneq ($(GLOBAL_MODEL),global)
# Written before global, by the same command.
$(FEDERATED)/round-%/$(GLOBAL_MODEL).safetensors: $(FEDERATED)/round-%/global.safetensors ;
endif
endif

ifneq ($(filter federated,$(ARMS)),)
$(foreach round,$(ROUND_IDS),$(eval $(call \
  evaluate,$(FEDERATED)/round-$(round)/eval/global.heldout.json,$(HELDOUT),$(FEDERATED)/round-$(round)/$(GLOBAL_MODEL).safetensors)))
EVALUATIONS += $(ROUND_IDS:%=$(FEDERATED)/round-%/eval/global.heldout.json)
endif

# --- arm: local (the same steps from the same start, never aggregated) ------------------------------

# A client trains when it has its turn. In the first round one that will not aggregate does what the
# federated one does; a client that never has a turn keeps the adapter from which all start.
local_home   = $(if $(call before,$(1)),$(LOCAL),$(FEDERATED))
# $(call local_model,ROUND,CLIENT): what the client has after its turn in ROUND; no ROUND, no turn so far
local_model  = $(if $(1),$(call local_home,$(1))/round-$(1)/client-$(2).safetensors,$(INITIAL))
local_parent = $(call local_model,$(call turn_before,$(1),$(2)),$(2))
# $(call local_last,ROUND,CLIENT): what it has after ROUND, whether or not that was its turn
local_last   = $(if $(filter $(2),$(CLIENTS_$(1))),$(call local_model,$(1),$(2)),$(call local_parent,$(1),$(2)))
ifneq ($(filter local,$(ARMS)),)
$(foreach round,$(wordlist 2,$(words $(ROUND_IDS)),$(ROUND_IDS)),$(foreach client,$(CLIENTS_$(round)),$(eval $(call \
  train,$(LOCAL),$(round),client-$(client),$(call local_parent,$(round),$(client)),$(RUN)/shards/client-$(client).train.jsonl,$(if \
  $(call turn_before,$(round),$(client)),$(call local_parent,$(round),$(client)))))))
$(foreach round,$(ROUND_IDS),$(foreach client,$(CLIENT_IDS),$(eval $(call \
  evaluate,$(LOCAL)/round-$(round)/eval/client-$(client).heldout.json,$(HELDOUT),$(call local_last,$(round),$(client))))))
EVALUATIONS += $(foreach client,$(CLIENT_IDS),$(LOCAL)/round-$(LAST_ROUND)/eval/client-$(client).heldout.json)
endif

# --- arm: pooled (all records at one place) -----------------------------------------------------------

pooled_parent = $(if $(call before,$(1)),$(POOLED)/round-$(call before,$(1))/pooled.safetensors,$(INITIAL))
ifneq ($(filter pooled,$(ARMS)),)
$(foreach round,$(ROUND_IDS),$(eval $(call \
  train,$(POOLED),$(round),pooled,$(call pooled_parent,$(round)),$(CLIENT_IDS:%=$(RUN)/shards/client-%.train.jsonl),$(if \
  $(call before,$(round)),$(call pooled_parent,$(round))))))
$(foreach round,$(ROUND_IDS),$(eval $(call \
  evaluate,$(POOLED)/round-$(round)/eval/pooled.heldout.json,$(HELDOUT),$(POOLED)/round-$(round)/pooled.safetensors)))
EVALUATIONS += $(ROUND_IDS:%=$(POOLED)/round-%/eval/pooled.heldout.json)
endif

# --- each model on each client's own held-out records ------------------------------------------------

ifneq ($(filter federated local,$(ARMS)),)
$(foreach client,$(CLIENT_IDS),$(eval $(call \
  evaluate,$(RUN)/eval/base.client-$(client).json,$(RUN)/shards/client-$(client).test.jsonl,)))
EVALUATIONS += $(CLIENT_IDS:%=$(RUN)/eval/base.client-%.json)
endif
ifneq ($(filter federated,$(ARMS)),)
$(foreach client,$(CLIENT_IDS),$(eval $(call \
  evaluate,$(FEDERATED)/round-$(LAST_ROUND)/eval/global.client-$(client).json,$(RUN)/shards/client-$(client).test.jsonl,$(FEDERATED)/round-$(LAST_ROUND)/$(GLOBAL_MODEL).safetensors)))
EVALUATIONS += $(CLIENT_IDS:%=$(FEDERATED)/round-$(LAST_ROUND)/eval/global.client-%.json)
endif
ifneq ($(filter local,$(ARMS)),)
$(foreach client,$(CLIENT_IDS),$(eval $(call \
  evaluate,$(LOCAL)/round-$(LAST_ROUND)/eval/client-$(client).client-$(client).json,$(RUN)/shards/client-$(client).test.jsonl,$(call \
  local_last,$(LAST_ROUND),$(client)))))
EVALUATIONS += $(foreach client,$(CLIENT_IDS),$(LOCAL)/round-$(LAST_ROUND)/eval/client-$(client).client-$(client).json)
endif

$(RUN)/shards/client-%.test.jsonl $(RUN)/shards/client-%.train.jsonl: $(PLAN) ;

$(RUN)/report.html: $(EVALUATIONS)
	$(REPORT) $(RUN) -o $@
