"""What people ask for: the direct requirements of forty kinds of work, as a data scientist writes them down."""

from collections.abc import Mapping

EARLIER: Mapping[str, tuple[str, ...]] = {
    "churn model": ("pandas", "scikit-learn", "matplotlib", "joblib"),
    "notebook image": ("jupyterlab", "ipywidgets", "pandas", "matplotlib", "seaborn"),
    "experiment tracking": ("mlflow", "scikit-learn", "pandas"),
    "text classification": ("transformers", "datasets", "scikit-learn", "accelerate"),
    "scoring service": ("fastapi", "uvicorn[standard]", "pydantic", "numpy"),
    "azure pipeline": ("azure-ai-ml", "azure-identity", "azure-storage-blob"),
    "boosted trees": ("xgboost", "lightgbm", "optuna", "shap"),
    "warehouse load": ("sqlalchemy", "psycopg2-binary", "pyarrow", "duckdb"),
}
"""Asked for some time ago: what these needed then is approved."""

NOW: Mapping[str, tuple[str, ...]] = {
    "sales forecast": ("prophet", "pandas", "plotly"),
    "demand series": ("statsmodels", "sktime", "pandas"),
    "survival analysis": ("lifelines", "pandas", "matplotlib"),
    "image labelling": ("opencv-python-headless", "pillow", "scikit-image", "albumentations"),
    "document reading": ("pdfplumber", "pymupdf", "python-docx", "openpyxl"),
    "topic model": ("gensim", "nltk", "wordcloud", "pandas"),
    "named entities": ("spacy", "pandas", "tqdm"),
    "embeddings": ("sentence-transformers", "faiss-cpu", "numpy"),
    "retrieval": ("langchain", "langchain-community", "chromadb"),
    "language model client": ("openai", "tiktoken", "tenacity", "rich"),
    "fine tuning": ("transformers[torch]", "peft", "datasets", "evaluate"),
    "torch vision": ("torch", "torchvision", "lightning"),
    "keras model": ("tensorflow-cpu", "pandas"),
    "onnx export": ("onnx", "onnxruntime", "skl2onnx"),
    "fairness report": ("fairlearn", "interpret", "scikit-learn"),
    "explanations": ("shap", "lime", "matplotlib"),
    "imbalanced classes": ("imbalanced-learn", "category-encoders", "pandas"),
    "hyper-parameters": ("hyperopt", "scikit-optimize", "scikit-learn"),
    "catboost ranking": ("catboost", "polars", "matplotlib"),
    "dashboard": ("streamlit", "altair", "pandas"),
    "dash app": ("dash", "dash-bootstrap-components", "gunicorn"),
    "demo of a model": ("gradio", "transformers", "pillow"),
    "data checks": ("great-expectations", "pandas"),
    "typed frames": ("pandera", "polars", "hypothesis"),
    "big frames": ("dask[complete]", "pyarrow", "s3fs"),
    "lake tables": ("deltalake", "polars", "pandas"),
    "orchestration": ("prefect", "pandas", "requests"),
    "feature store": ("feast", "redis", "pandas"),
    "maps": ("geopandas", "folium", "shapely"),
    "graph analysis": ("networkx", "python-igraph", "scipy"),
    "signal processing": ("librosa", "soundfile", "scipy"),
    "bayesian model": ("pymc", "arviz"),
    "optimisation": ("pulp", "ortools", "cvxpy"),
    "scraping": ("requests", "beautifulsoup4", "lxml", "playwright"),
}
"""Asked for now, and by nobody before."""
