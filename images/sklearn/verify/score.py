"""The entry script of the Azure ML inference server: ``init`` once, then ``run`` for each request.

A request is ``{"columns": […], "data": [[…], …]}``, the answer ``{"prediction": […]}``.
"""

import json
import os
from pathlib import Path

import mlflow.sklearn
import pandas as pd

DIGITS = 9  # as in train.py
model = None


def init() -> None:
    """Load the model from below ``$AZUREML_MODEL_DIR``."""
    global model  # noqa: PLW0603 (the server's protocol)
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    found = sorted(root.rglob("MLmodel"))
    if len(found) != 1:
        message = f"{root} holds {len(found)} models, not one"
        raise RuntimeError(message)
    model = mlflow.sklearn.load_model(str(found[0].parent))


def run(raw_data: str) -> dict[str, list[float]]:
    """Predict the probability of class 1 for each row."""
    request = json.loads(raw_data)
    rows = pd.DataFrame(request["data"], columns=request["columns"])
    return {"prediction": model.predict_proba(rows)[:, 1].round(DIGITS).tolist()}
