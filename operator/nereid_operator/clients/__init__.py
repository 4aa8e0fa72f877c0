"""The only modules that open sockets to other servers."""
