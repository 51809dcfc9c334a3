"""The data sets: each becomes four tensors in memory, so that no loader process stands between them and the network."""
