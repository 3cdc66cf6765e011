# The question itself: do contexts of uneven length, or of uneven quality, hurt a federation, and how much?
# Two axes, from one shard a bin (alpha 0.1) to the same mixture everywhere (alpha 100), two seeds, two arms.
NAME          := study
AXES          := length quality
ALPHAS        := 0.1 100
SEEDS         := 1 2
CLIENTS       := 4
ROUNDS        := 2
SAMPLE        := 160
KEEP          := 40..320
METHOD        := dirichlet
BINS          := quantile:8
MIN_RECORDS   := 10
SPLIT         := train=.8,test=.2
TRAIN_FLAGS   := --rank 16 --lora-alpha 32 --learning-rate 1e-3 --schedule constant --warmup 0 --batch-records 4
ARMS          := federated local
