"""Local runs: the service, its store and a worker in one process, with the state in a file of the user's."""
