"""Who is calling: from the credentials of a request to a Principal."""
