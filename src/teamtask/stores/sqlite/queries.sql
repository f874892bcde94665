-- Every query of the SQLite store, by name. Parameters have no numbers: Python 3.12.3 and earlier warn of them.

-- find_list --
SELECT no, widest_bits FROM lists WHERE id = ?;

-- all_lists --
SELECT id, name, definition, created_at FROM lists ORDER BY name LIMIT ?;

-- lists_after --
SELECT id, name, definition, created_at FROM lists WHERE name > ? ORDER BY name LIMIT ?;

-- list_named --
SELECT id, name, definition, created_at FROM lists WHERE name = ?;

-- list_by_id --
SELECT id, name, definition, created_at FROM lists WHERE id = ?;

-- insert_list --
INSERT INTO lists (id, name, definition, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- replace_definition --
UPDATE lists SET definition = ? WHERE no = ?;

-- remember_deleted --
INSERT INTO deleted_lists (no) VALUES (?);

-- delete_list --
DELETE FROM lists WHERE no = ?;

-- journal --
-- After the asked version, given twice, in the list of that id: one row at least unless the list is gone. The row of
-- the asked version itself is looked for too (without its events): it proves that this is the latest.
SELECT l.no, l.widest_bits, coalesce(s.version, -1), j.version, CASE WHEN j.version > ? THEN j.events END
FROM lists AS l
LEFT JOIN snapshots AS s ON s.list_no = l.no
LEFT JOIN journal AS j ON j.list_no = l.no AND j.version >= max(?, coalesce(s.version, -1) + 1)
WHERE l.id = ?
ORDER BY j.version;

-- snapshot --
SELECT version, state FROM snapshots WHERE list_no = ?;

-- latest_version --
SELECT max(
    coalesce((SELECT max(version) FROM journal WHERE list_no = l.no), -1),
    coalesce((SELECT version FROM snapshots WHERE list_no = l.no), -1)
) FROM lists AS l WHERE l.no = ?;

-- insert_events --
INSERT INTO journal (list_no, version, events) VALUES (?, ?, ?);

-- put_snapshot --
INSERT INTO snapshots (list_no, version, state) VALUES (?, ?, ?)
ON CONFLICT (list_no) DO UPDATE SET version = excluded.version, state = excluded.state
WHERE excluded.version >= version;

-- delete_journal_upto --
DELETE FROM journal WHERE list_no = ? AND version <= ?;

-- insert_results --
INSERT INTO results (list_no, seq, index_key, end_key, count, failed, worker, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- widen_list --
UPDATE lists SET widest_bits = ? WHERE no = ?;

-- delete_results_of_seq --
DELETE FROM results WHERE list_no = ? AND seq = ?;

-- results_by_index --
SELECT no, index_key, seq FROM results
WHERE list_no = ? AND (index_key, seq) > (?, ?) AND end_key > ?
ORDER BY index_key, seq LIMIT ?;

-- results_by_seq --
SELECT no, seq FROM results WHERE list_no = ? AND seq > ? ORDER BY seq LIMIT ?;

-- last_seq_before --
SELECT seq FROM results WHERE list_no = ? AND seq < ? ORDER BY seq DESC LIMIT 1;

-- results_row --
SELECT seq, index_key, end_key, count, failed, worker, payload FROM results WHERE no = ?;

-- insert_mark --
INSERT INTO withdrawn (list_no, index_key, end_key, before_seq) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- delete_mark --
DELETE FROM withdrawn WHERE list_no = ? AND index_key = ? AND end_key = ? AND before_seq = ?;

-- marks --
SELECT index_key, end_key, before_seq FROM withdrawn WHERE list_no = ? ORDER BY index_key, end_key, before_seq;

-- find_upload --
SELECT no, list_no, size FROM uploads WHERE id = ?;

-- insert_upload --
INSERT INTO uploads (id, size, touched_at, epoch, process) VALUES (?, 0, ?, ?, ?);

-- touch_upload --
UPDATE uploads SET size = ?, touched_at = ?, epoch = ?, process = ? WHERE no = ?;

-- insert_chunk --
INSERT INTO line_chunks (upload_no, first_line, count, lines) VALUES (?, ?, ?, ?);

-- lines_size --
SELECT first_index + size FROM uploads WHERE list_no = ? ORDER BY first_index DESC, size DESC LIMIT 1;

-- attach_upload --
UPDATE uploads SET list_no = ?, first_index = ? WHERE no = ?;

-- upload_at --
SELECT no, first_index, size FROM uploads
WHERE list_no = ? AND first_index <= ? AND size > 0 ORDER BY first_index DESC LIMIT 1;

-- chunk_at --
SELECT first_line, count, lines FROM line_chunks
WHERE upload_no = ? AND first_line <= ? ORDER BY first_line DESC LIMIT 1;

-- unattached_uploads --
SELECT no, touched_at, epoch, process FROM uploads WHERE list_no IS NULL AND id IS NOT NULL;

-- disown_upload --
UPDATE uploads SET id = NULL WHERE no = ? AND list_no IS NULL AND touched_at = ? AND epoch = ?;

-- put_document --
INSERT INTO documents (kind, key, value, put_at) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, put_at = excluded.put_at;

-- document --
SELECT value FROM documents WHERE kind = ? AND key = ?;

-- documents --
SELECT key, value FROM documents WHERE kind = ? AND key > ? ORDER BY key LIMIT ?;

-- every_document --
SELECT kind, key, value, put_at FROM documents WHERE (kind, key) > (?, ?) ORDER BY kind, key LIMIT ?;

-- delete_document --
DELETE FROM documents WHERE kind = ? AND key = ?;

-- forget_documents --
DELETE FROM documents WHERE no IN
(SELECT no FROM documents WHERE kind = ? AND put_at < ? ORDER BY put_at LIMIT ?);

-- add_audit --
-- Without a number it gets the next one.
INSERT INTO audit (no, date, entry) VALUES (?, ?, ?);

-- audit --
SELECT no, date, entry FROM audit WHERE no < ? ORDER BY no DESC LIMIT ?;

-- forget_audit --
DELETE FROM audit WHERE no IN (SELECT no FROM audit WHERE date < ? ORDER BY date, no LIMIT ?);

-- deleted_lists --
SELECT no FROM deleted_lists;

-- forget_deleted --
DELETE FROM deleted_lists WHERE no = ?;

-- delete_some_events --
DELETE FROM journal WHERE (list_no, version) IN
(SELECT list_no, version FROM journal WHERE list_no = ? ORDER BY version LIMIT ?);

-- delete_snapshot --
DELETE FROM snapshots WHERE list_no = ?;

-- delete_some_results --
DELETE FROM results WHERE no IN (SELECT no FROM results WHERE list_no = ? ORDER BY seq LIMIT ?);

-- delete_some_marks --
DELETE FROM withdrawn WHERE (list_no, index_key, end_key, before_seq) IN
(SELECT list_no, index_key, end_key, before_seq FROM withdrawn WHERE list_no = ? LIMIT ?);

-- dead_uploads --
SELECT no FROM uploads WHERE id IS NULL OR list_no IN (SELECT no FROM deleted_lists);

-- delete_some_chunks --
DELETE FROM line_chunks WHERE no IN (SELECT no FROM line_chunks WHERE upload_no = ? ORDER BY first_line LIMIT ?);

-- delete_upload --
DELETE FROM uploads WHERE no = ?;

-- orphans --
-- Rows that no list, deleted list or upload owns.
SELECT 'journal', list_no FROM journal WHERE list_no NOT IN (SELECT no FROM lists UNION SELECT no FROM deleted_lists)
UNION SELECT 'snapshots', list_no FROM snapshots
WHERE list_no NOT IN (SELECT no FROM lists UNION SELECT no FROM deleted_lists)
UNION SELECT 'results', list_no FROM results
WHERE list_no NOT IN (SELECT no FROM lists UNION SELECT no FROM deleted_lists)
UNION SELECT 'withdrawn', list_no FROM withdrawn
WHERE list_no NOT IN (SELECT no FROM lists UNION SELECT no FROM deleted_lists)
UNION SELECT 'uploads', list_no FROM uploads
WHERE list_no IS NOT NULL AND list_no NOT IN (SELECT no FROM lists UNION SELECT no FROM deleted_lists)
UNION SELECT 'line_chunks', upload_no FROM line_chunks WHERE upload_no NOT IN (SELECT no FROM uploads)
LIMIT ?;

-- old_events --
SELECT j.list_no, j.version FROM snapshots AS s JOIN journal AS j ON j.list_no = s.list_no AND j.version <= s.version
LIMIT ?;

-- all_uploads --
SELECT no, list_no, first_index, size FROM uploads WHERE id IS NOT NULL ORDER BY list_no, first_index, size;

-- chunk_sizes --
SELECT first_line, count FROM line_chunks WHERE upload_no = ? ORDER BY first_line;

-- spans --
SELECT l.name, l.widest_bits, r.seq, r.index_key, r.end_key FROM results AS r JOIN lists AS l ON l.no = r.list_no;
