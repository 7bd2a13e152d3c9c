"""The benchmark of the conda side: a channel at conda-forge's scale, made here, behind the proxy."""
