"""The command line: flags into requests, outcomes into text, errors into sentences and exit codes."""
