"""Train on a bundled dataset, without any network, and leave a model that ``score.py`` can serve.

Writes into ``$OUTPUT`` (default /outputs): ``model/`` (MLflow's format), ``metrics.json``, ``sample.json`` (rows
of input and the probabilities that this training predicted for them), and ``mlflow.db`` with the run.
"""

import json
import os
from pathlib import Path

import mlflow
import sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 20261101
ROWS = 5
DIGITS = 9  # what two processes of one image agree on, whatever the number of threads


def main() -> None:
    """Train, measure, track, save."""
    output = Path(os.environ.get("OUTPUT", "/outputs"))
    if "MLFLOW_TRACKING_URI" not in os.environ:
        mlflow.set_tracking_uri(f"sqlite:///{output.absolute()}/mlflow.db")
    regularisation = float(os.environ.get("REGULARISATION", "1.0"))
    features, labels = load_breast_cancer(return_X_y=True, as_frame=True)
    seen, unseen, known, wanted = train_test_split(features, labels, test_size=0.25, random_state=SEED, stratify=labels)
    mlflow.set_experiment("verify")
    with mlflow.start_run() as run:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=1000))
        model.fit(seen, known)
        metrics = {
            "accuracy": float(accuracy_score(wanted, model.predict(unseen))),
            "auc": float(roc_auc_score(wanted, model.predict_proba(unseen)[:, 1])),
        }
        mlflow.log_param("regularisation", regularisation)
        mlflow.log_metrics(metrics)
        requirements = [f"scikit-learn=={sklearn.__version__}", f"mlflow=={mlflow.__version__}"]
        mlflow.sklearn.save_model(model, str(output / "model"), pip_requirements=requirements)
    rows = unseen.iloc[:ROWS]
    sample = {
        "input": {"columns": list(rows.columns), "data": rows.to_numpy().tolist()},
        "prediction": model.predict_proba(rows)[:, 1].round(DIGITS).tolist(),
    }
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    (output / "sample.json").write_text(json.dumps(sample) + "\n")
    print(json.dumps({"run": run.info.run_id, **metrics}))


if __name__ == "__main__":
    main()
