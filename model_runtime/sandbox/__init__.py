"""A process of its own for what a model's files make us compute: bounded, without files, sockets or environment."""
