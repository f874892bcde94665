-- From version 1 to 2: documents and the audit trail, which a server keeps beside lists.

-- Small values of the site, by kind and key. `put_at` is in seconds since 1970.
CREATE TABLE documents (
    no INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    put_at REAL NOT NULL,
    value BLOB NOT NULL,
    UNIQUE (kind, key)
);
CREATE INDEX documents_by_date ON documents (kind, put_at);

-- `date` is in seconds since 1970; `no` is never used again: it is where a reader goes on.
CREATE TABLE audit (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    date REAL NOT NULL,
    entry BLOB NOT NULL
);
CREATE INDEX audit_by_date ON audit (date);
