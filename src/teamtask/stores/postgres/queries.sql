-- Every query of the PostgreSQL store, by name.

-- lock_lists --
SELECT id, no, widest_bits FROM lists WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE;

-- clock --
-- Seconds since 1970; and what changes when the server starts anew, or another takes its place.
SELECT extract(epoch FROM clock_timestamp())::float8, extract(epoch FROM pg_postmaster_start_time())::text;

-- recent --
-- By number of list what follows the version asked for it, if that still has its row in the journal; that row comes too
-- (without its events): it proves that nothing is missing. In no order.
SELECT j.list_no, j.version, CASE WHEN j.version > a.after THEN j.events END
FROM unnest($1::bigint[], $2::bigint[]) AS a(no, after)
JOIN journal AS j ON j.list_no = a.no AND j.version >= a.after;

-- tail --
-- After the asked version: one row at least unless the list is gone. The row of the asked version itself is looked for
-- too (without its events): it proves that this is the latest.
SELECT l.no, coalesce(s.version, -1), j.version, CASE WHEN j.version > $2 THEN j.events END
FROM lists AS l
LEFT JOIN snapshots AS s ON s.list_no = l.no
LEFT JOIN journal AS j ON j.list_no = l.no AND j.version >= greatest($2::bigint, coalesce(s.version, -1) + 1)
WHERE l.id = $1
ORDER BY j.version;

-- find_list --
SELECT no, widest_bits FROM lists WHERE id = $1;

-- lists_after --
SELECT id, name, definition, created_at FROM lists WHERE name > $1 ORDER BY name LIMIT $2;

-- all_lists --
SELECT id, name, definition, created_at FROM lists ORDER BY name LIMIT $1;

-- list_named --
SELECT id, name, definition, created_at FROM lists WHERE name = $1;

-- list_by_id --
SELECT id, name, definition, created_at FROM lists WHERE id = $1;

-- insert_list --
INSERT INTO lists (id, name, definition, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING no;

-- replace_definition --
UPDATE lists SET definition = $1 WHERE no = $2;

-- remember_deleted --
INSERT INTO deleted_lists (no) VALUES ($1);

-- delete_list --
DELETE FROM lists WHERE no = $1;

-- snapshot --
SELECT version, state FROM snapshots WHERE list_no = $1;

-- latest_version --
SELECT coalesce((SELECT max(version) FROM journal WHERE list_no = $1), -1),
    coalesce((SELECT version FROM snapshots WHERE list_no = $1), -1);

-- insert_events --
INSERT INTO journal (list_no, version, events) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]);

-- put_snapshot --
INSERT INTO snapshots (list_no, version, state) VALUES ($1, $2, $3)
ON CONFLICT (list_no) DO UPDATE SET version = excluded.version, state = excluded.state;

-- delete_journal_upto --
DELETE FROM journal WHERE list_no = $1 AND version <= $2;

-- insert_results --
INSERT INTO results (list_no, seq, index_key, end_key, count, failed, worker, payload) SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::text[], $8::bytea[]
);

-- widen_list --
UPDATE lists SET widest_bits = $1 WHERE no = $2;

-- delete_results_of_seq --
DELETE FROM results WHERE list_no = $1 AND seq = $2;

-- results_by_index --
SELECT no, octet_length(payload), index_key, seq FROM results
WHERE list_no = $1 AND (index_key, seq) > ($2, $3) AND end_key > $4
ORDER BY index_key, seq LIMIT $5;

-- results_by_seq --
SELECT no, octet_length(payload), seq FROM results WHERE list_no = $1 AND seq > $2 ORDER BY seq LIMIT $3;

-- last_seq_before --
SELECT seq FROM results WHERE list_no = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1;

-- results_rows --
SELECT no, seq, index_key, end_key, count, failed, worker, payload FROM results WHERE no = ANY($1::bigint[]);

-- insert_marks --
INSERT INTO withdrawn (list_no, index_key, end_key, before_seq)
SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::bigint[]) ON CONFLICT DO NOTHING;

-- delete_marks --
DELETE FROM withdrawn AS w USING unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS m(index_key, end_key, before_seq)
WHERE w.list_no = $1 AND w.before_seq = m.before_seq
    AND sha256(w.index_key || w.end_key) = sha256(m.index_key || m.end_key);

-- marks --
SELECT index_key, end_key, before_seq FROM withdrawn WHERE list_no = $1 ORDER BY index_key, end_key, before_seq;

-- find_upload --
-- Whoever adds to an upload, attaches it or gives it up waits for the others.
SELECT no, list_no, size FROM uploads WHERE id = $1 FOR UPDATE;

-- insert_upload --
INSERT INTO uploads (id, size, touched_at, epoch) VALUES ($1, 0, $2, $3) RETURNING no;

-- touch_upload --
UPDATE uploads SET size = $1, touched_at = $2, epoch = $3 WHERE no = $4;

-- insert_chunk --
INSERT INTO line_chunks (upload_no, first_line, count, lines) VALUES ($1, $2, $3, $4);

-- lines_size --
SELECT first_index + size FROM uploads WHERE list_no = $1 ORDER BY first_index DESC, size DESC LIMIT 1;

-- attach_upload --
UPDATE uploads SET list_no = $1, first_index = $2 WHERE no = $3;

-- upload_at --
SELECT no, first_index, size FROM uploads
WHERE list_no = $1 AND first_index <= $2 AND size > 0 ORDER BY first_index DESC LIMIT 1;

-- chunk_at --
SELECT first_line, count, lines FROM line_chunks
WHERE upload_no = $1 AND first_line <= $2 ORDER BY first_line DESC LIMIT 1;

-- put_document --
INSERT INTO documents (kind, key, value, put_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, put_at = excluded.put_at;

-- document --
SELECT value FROM documents WHERE kind = $1 AND key = $2;

-- documents --
SELECT key, value FROM documents WHERE kind = $1 AND key > $2 ORDER BY key LIMIT $3;

-- every_document --
SELECT kind, key, value, put_at FROM documents WHERE (kind, key) > ($1, $2) ORDER BY kind, key LIMIT $3;

-- delete_document --
DELETE FROM documents WHERE kind = $1 AND key = $2;

-- forget_documents --
DELETE FROM documents WHERE no IN
(SELECT no FROM documents WHERE kind = $1 AND put_at < $2 ORDER BY put_at LIMIT $3);

-- add_audit --
INSERT INTO audit (date, entry) VALUES ($1, $2);

-- restore_audit --
INSERT INTO audit (no, date, entry) VALUES ($1, $2, $3);

-- skip_audit --
-- What was restored with its numbers is followed by higher ones.
SELECT setval(pg_get_serial_sequence('audit', 'no'), greatest($1::bigint, (SELECT coalesce(max(no), 1) FROM audit)));

-- audit --
SELECT no, date, entry FROM audit WHERE no < $1 ORDER BY no DESC LIMIT $2;

-- forget_audit --
DELETE FROM audit WHERE no IN (SELECT no FROM audit WHERE date < $1 ORDER BY date, no LIMIT $2);

-- keep_others_out --
-- Two servers that compact take turns, a step at a time.
SELECT pg_advisory_xact_lock($1);

-- renew_uploads --
-- The clock began anew: what an older one said of an upload means nothing, so that it has its day again.
UPDATE uploads SET touched_at = $1, epoch = $2 WHERE list_no IS NULL AND id IS NOT NULL AND epoch <> $2;

-- disown_uploads --
UPDATE uploads SET id = NULL WHERE list_no IS NULL AND id IS NOT NULL AND epoch = $1 AND touched_at < $2;

-- dead_uploads --
SELECT no FROM uploads WHERE list_no IS NULL AND id IS NULL
UNION SELECT u.no FROM deleted_lists AS d JOIN uploads AS u ON u.list_no = d.no;

-- delete_some_chunks --
DELETE FROM line_chunks WHERE upload_no = $1 AND first_line IN
(SELECT first_line FROM line_chunks WHERE upload_no = $1 ORDER BY first_line LIMIT $2);

-- delete_upload --
DELETE FROM uploads WHERE no = $1;

-- deleted_lists --
SELECT no FROM deleted_lists;

-- delete_some_events --
DELETE FROM journal WHERE list_no = $1 AND version IN
(SELECT version FROM journal WHERE list_no = $1 ORDER BY version LIMIT $2);

-- delete_some_results --
DELETE FROM results WHERE no IN (SELECT no FROM results WHERE list_no = $1 ORDER BY seq LIMIT $2);

-- delete_some_marks --
DELETE FROM withdrawn WHERE ctid = ANY(ARRAY(SELECT ctid FROM withdrawn WHERE list_no = $1 LIMIT $2));

-- delete_snapshot --
DELETE FROM snapshots WHERE list_no = $1;

-- forget_deleted --
DELETE FROM deleted_lists WHERE no = $1;

-- orphans --
-- Rows that no list, deleted list or upload owns.
WITH known AS (SELECT no FROM lists UNION SELECT no FROM deleted_lists)
SELECT 'journal', list_no FROM journal WHERE list_no NOT IN (SELECT no FROM known)
UNION SELECT 'snapshots', list_no FROM snapshots WHERE list_no NOT IN (SELECT no FROM known)
UNION SELECT 'results', list_no FROM results WHERE list_no NOT IN (SELECT no FROM known)
UNION SELECT 'withdrawn', list_no FROM withdrawn WHERE list_no NOT IN (SELECT no FROM known)
UNION SELECT 'uploads', list_no FROM uploads WHERE list_no IS NOT NULL AND list_no NOT IN (SELECT no FROM known)
UNION SELECT 'line_chunks', upload_no FROM line_chunks WHERE upload_no NOT IN (SELECT no FROM uploads)
LIMIT $1;

-- old_events --
SELECT j.list_no, j.version FROM snapshots AS s JOIN journal AS j ON j.list_no = s.list_no AND j.version <= s.version
LIMIT $1;

-- all_uploads --
SELECT no, list_no, first_index, size FROM uploads WHERE id IS NOT NULL ORDER BY list_no, first_index, size;

-- chunk_sizes --
SELECT first_line, count FROM line_chunks WHERE upload_no = $1 ORDER BY first_line;

-- spans --
SELECT l.name, l.widest_bits, r.seq, r.index_key, r.end_key FROM results AS r JOIN lists AS l ON l.no = r.list_no;
