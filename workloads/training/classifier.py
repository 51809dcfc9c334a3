"""The trained classifier as a PyFunc model: class, name and probabilities of each picture.

MLflow copies this file into the model directory and runs it there to load the model ("models from code"), so it imports
only MLflow, NumPy, pandas and PyTorch, and nothing of this repository.
"""

import numpy as np
import pandas as pd
import torch
from mlflow import pytorch
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

# Keys of the artifact with the exported PyTorch model, and of the class names in the model's configuration.
NETWORK = "network"
CLASS_NAMES = "class_names"

# Pictures per pass, which limits the memory that a large request takes.
_BATCH = 256


class PictureClassifier(PythonModel):
    """Classifies pictures of shape (n, channels, side, side), float32 pixel values."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the exported PyTorch model and the class names."""
        self._network: torch.nn.Module = pytorch.load_model(context.artifacts[NETWORK])
        self._class_names = np.array(context.model_config[CLASS_NAMES])

    # MLflow passes only the parameters that are named here. It takes the signature from the type if it can, which it
    # can't from an array.
    def predict(self, model_input: np.ndarray) -> pd.DataFrame:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return a row per picture: `class_index`, `class_name`, and `probabilities`, a list with one per class."""
        pictures = torch.from_numpy(np.array(model_input, dtype=np.float32))
        with torch.no_grad():
            logits = torch.cat([self._network(batch) for batch in pictures.split(_BATCH)])
        probabilities = logits.double().softmax(dim=1).numpy()
        classes = probabilities.argmax(axis=1)
        return pd.DataFrame(
            {
                "class_index": classes,
                "class_name": self._class_names[classes],
                "probabilities": probabilities.tolist(),
            }
        )


set_model(PictureClassifier())
