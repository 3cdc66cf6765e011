# One of the rules of `make compare-rules` (RULE=fedavg, ffa, svd or fedex) on as little text as the smoke
# run takes, three rounds. All rules start from the same adapter and see the same shards.
#
# ffa trains B alone. svd turns the factors in each round, so the optimizer starts anew, as it does for all.
# fedex is evaluated with the residual (exact.safetensors); clients go on from its mean, since the base
# model is never rewritten here.
RULE          ?= fedavg
NAME          := rules-$(RULE)
CLIENTS       := 3
ROUNDS        := 3
SEED          := 1
SAMPLE        := 72
KEEP          := 40..160
PARTITION_BY  := length
METHOD        := dirichlet
ALPHA         := 0.5
BINS          := quantile:4
MIN_RECORDS   := 10
SPLIT         := train=.75,test=.25
TRAIN_FLAGS   := --rank 8 --lora-alpha 16 --learning-rate 1e-3 --schedule constant --warmup 0 --batch-records 4
ARMS          := federated
AGGREGATE_FLAGS = --rule $(RULE)

ifeq ($(RULE),ffa)
TRAIN_FLAGS   += --freeze A
endif
ifeq ($(RULE),svd)
AGGREGATE_FLAGS += --rank 8
endif
ifeq ($(RULE),fedex)
GLOBAL_MODEL  := exact
AGGREGATE_FLAGS += --residual $(@D)/residual.safetensors --exact $(@D)/exact.safetensors
endif
