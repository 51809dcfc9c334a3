"""An HTTP gateway to MLflow and to served models; `MLflowManager` is the same as an async library."""
