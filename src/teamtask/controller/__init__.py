"""The controller for Kubernetes: it turns Blocks into the ledger's commands, and events into writes."""
