"""Is a tokenizer.json one that a server can live with? `check.check_tokenizer` is what others call."""
