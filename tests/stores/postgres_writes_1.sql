-- What a server of version 1 wrote, statement by statement, into the list of this id that it made before.

-- make --
INSERT INTO lists (id, name, definition, created_at) VALUES ('%s', '%s', '{}', 1.5) ON CONFLICT DO NOTHING RETURNING no;

-- lock --
SELECT id, no, widest_bits FROM lists WHERE id = ANY('{%s}'::text[]) ORDER BY id FOR UPDATE;

-- append --
INSERT INTO journal (list_no, version, events)
SELECT l.no, v, 'events'::bytea FROM lists AS l, generate_series(0, 9) AS v WHERE l.id = '%s';

-- snapshot --
INSERT INTO snapshots (list_no, version, state) SELECT no, 4, 'state'::bytea FROM lists WHERE id = '%s'
ON CONFLICT (list_no) DO UPDATE SET version = excluded.version, state = excluded.state;

-- forget --
DELETE FROM journal WHERE list_no = (SELECT no FROM lists WHERE id = '%s') AND version <= 4;

-- results --
INSERT INTO results (list_no, seq, index_key, end_key, count, failed, worker, payload)
SELECT no, 7, '\x000105', '\x000109', 3, 1, 'worker', 'payload'::bytea FROM lists WHERE id = '%s';

-- widen --
UPDATE lists SET widest_bits = 3 WHERE id = '%s';

-- mark --
INSERT INTO withdrawn (list_no, index_key, end_key, before_seq)
SELECT no, '\x000105'::bytea, '\x000106'::bytea, 3 FROM lists WHERE id = '%s' ON CONFLICT DO NOTHING;

-- upload --
INSERT INTO uploads (id, size, touched_at, epoch) VALUES ('%s', 0, 1.0, 'epoch') RETURNING no;

-- chunk --
INSERT INTO line_chunks (upload_no, first_line, count, lines)
SELECT no, 0, 2, '\x0a610a62'::bytea FROM uploads WHERE id = '%s';

-- attach --
UPDATE uploads SET size = 2, first_index = 0, list_no = (SELECT no FROM lists WHERE id = '%s') WHERE id = '%s';
