"""Convert trained PyTorch models to ONNX, and prove that they answer the same."""
