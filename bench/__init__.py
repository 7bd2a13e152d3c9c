"""What `make bench-pip` runs: the proxy, its peers and going direct, measured side by side in one run."""
