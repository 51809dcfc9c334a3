"""Fine-tuning of causal language models: the parts of `train_code_model` that differ from the picture trainer."""
