"""Fit a classifier on a table, and see that it separates what can be separated."""

import pandas as pd
from sklearn.linear_model import LogisticRegression


def main() -> None:
    """Fit on two groups that lie apart, and ask about two rows between their centres and the edge."""
    table = pd.DataFrame({"size": [1.0, 1.2, 0.8, 4.0, 4.2, 3.8], "kind": ["small"] * 3 + ["large"] * 3})
    model = LogisticRegression().fit(table[["size"]], table["kind"])
    said = list(model.predict(pd.DataFrame({"size": [0.9, 4.1]})))
    if said != ["small", "large"]:
        message = f"the classifier says {said}, so something is wrong with the libraries"
        raise SystemExit(message)


if __name__ == "__main__":
    main()
