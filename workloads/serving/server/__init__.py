"""The server of one model version: MLflow's scoring protocol and the Open Inference Protocol v2, without a network."""
