# The demo cut down to about a minute: does every stage still work together?
NAME          := smoke
CLIENTS       := 2
ROUNDS        := 2
SEED          := 1
SAMPLE        := 48
KEEP          := 40..160
PARTITION_BY  := length
METHOD        := dirichlet
ALPHA         := 0.5
BINS          := quantile:4
MIN_RECORDS   := 10
SPLIT         := train=.75,test=.25
TRAIN_FLAGS   := --rank 8 --lora-alpha 16 --learning-rate 1e-3 --schedule constant --warmup 0 --batch-records 4
ARMS          := federated local
