"""What each client reads, so that it asks one index and nothing else; one module a client or a kind of them."""
