# The demo: four data owners whose texts differ in length, two rounds, on two cores in minutes.
# Every variable of Experiments/federated.mk may be set here; the command line wins over this file.
NAME          := demo
CLIENTS       := 4
ROUNDS        := 2
SEED          := 1
SAMPLE        := 330
KEEP          := 40..320
PARTITION_BY  := length
METHOD        := dirichlet
ALPHA         := 0.5
BINS          := quantile:8
MIN_RECORDS   := 20
SPLIT         := train=.8,test=.2
TRAIN_FLAGS   := --rank 16 --lora-alpha 32 --learning-rate 1e-3 --schedule constant --warmup 0 --batch-records 4
ARMS          := federated local
