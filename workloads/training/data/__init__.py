"""The data sets, each as four tensors in memory, so that the training needs no loader processes."""
