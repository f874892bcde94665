-- The schema of version 1. Statements end with a semicolon at the end of a line.
-- application_id is "TmTk"; user_version is set by the code that carries this out, in the same transaction.

PRAGMA application_id = 1416451179;

-- `no` is never used again, so that what a deleted list left is never taken for another's.
CREATE TABLE lists (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    widest_bits INTEGER NOT NULL DEFAULT 0, -- no row of results was ever wider than 2^widest_bits indices
    definition BLOB NOT NULL
);

-- Lists whose other rows still have to be removed.
CREATE TABLE deleted_lists (
    no INTEGER PRIMARY KEY
);

CREATE TABLE journal (
    list_no INTEGER NOT NULL,
    version INTEGER NOT NULL,
    events BLOB NOT NULL,
    PRIMARY KEY (list_no, version)
) WITHOUT ROWID;

CREATE TABLE snapshots (
    list_no INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    state BLOB NOT NULL
);

-- Indices have up to 4,000 digits: their keys are bytes that sort as the numbers do (index_key.py).
CREATE TABLE results (
    no INTEGER PRIMARY KEY,
    list_no INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    index_key BLOB NOT NULL,
    end_key BLOB NOT NULL,
    count INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    worker TEXT NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (list_no, seq)
);
CREATE UNIQUE INDEX results_by_index ON results (list_no, index_key, seq, end_key);

CREATE TABLE withdrawn (
    list_no INTEGER NOT NULL,
    index_key BLOB NOT NULL,
    end_key BLOB NOT NULL,
    before_seq INTEGER NOT NULL,
    PRIMARY KEY (list_no, index_key, end_key, before_seq)
) WITHOUT ROWID;

-- An upload that is attached is a stretch of its list's lines, from first_index on; one without an id is being removed.
CREATE TABLE uploads (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT UNIQUE,
    list_no INTEGER,
    first_index INTEGER,
    size INTEGER NOT NULL,
    touched_at REAL NOT NULL,
    epoch TEXT NOT NULL,
    process TEXT NOT NULL
);
CREATE INDEX uploads_by_list ON uploads (list_no, first_index);

CREATE TABLE line_chunks (
    no INTEGER PRIMARY KEY,
    upload_no INTEGER NOT NULL,
    first_line INTEGER NOT NULL,
    count INTEGER NOT NULL,
    lines BLOB NOT NULL,
    UNIQUE (upload_no, first_line)
);
