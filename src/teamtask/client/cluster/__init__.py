"""Lists that are objects of Kubernetes: the calls of the web API, answered from Worklists and Blocks."""
