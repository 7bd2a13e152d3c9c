"""What `make bench-image` runs: images assembled and pushed, beside engines that build the same lock."""
