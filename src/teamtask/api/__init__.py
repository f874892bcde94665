"""The web API: HTTP in, wire messages through the service, HTTP out; it decides nothing."""
