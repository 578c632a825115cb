"""The command line, one file a sub-command, each imported only when it is called."""
