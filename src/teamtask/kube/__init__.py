"""The only code that speaks to Kubernetes: the objects, their definitions, and the API server."""
