"""Train, load the model as the scoring server would, and see that it predicts what training predicted."""

import json
import os
from pathlib import Path

import score
import train


def main() -> None:
    """Compare what two loads of one model say of the same rows."""
    output = Path(os.environ.get("OUTPUT", "/outputs"))
    tracked = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_TRACKING_URI": f"file://{output.absolute()}/runs"}
    os.environ.update(tracked)  # a database would be migrated first, for seconds
    train.main()
    sample = json.loads((output / "sample.json").read_text())
    os.environ["AZUREML_MODEL_DIR"] = str(output)
    score.init()
    found = score.run(json.dumps(sample["input"]))
    if found["prediction"] != sample["prediction"]:
        message = f"training predicted {sample['prediction']}, scoring {found['prediction']}"
        raise SystemExit(message)
    accuracy = json.loads((output / "metrics.json").read_text())["accuracy"]
    if accuracy < 0.9:
        message = f"the accuracy is {accuracy}, so something is wrong with the libraries"
        raise SystemExit(message)


if __name__ == "__main__":
    main()
