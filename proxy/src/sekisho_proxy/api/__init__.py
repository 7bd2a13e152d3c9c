"""What the proxy answers, described for people and machines."""
