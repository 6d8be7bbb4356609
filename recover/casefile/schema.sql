-- The schema of case.db. It is stable: columns and tables are only ever added,
-- and then user_version goes up. An older pgrescue refuses a newer one. A newer one
-- reads an older case as it is, and adds what it lacks when it opens it for writing,
-- in one transaction; see upgrade.go. Version 2 added row.origins, event.line and
-- logged_count; version 3 triage and what belongs to it, foreign_key and runbook_run.
--
-- Times are microseconds since 1970-01-01 00:00:00 UTC. An LSN is one number; the
-- views print it as PostgreSQL does. Column "sum" is a checksum of the line's
-- content, so that `case verify` finds a flipped byte; see sum.go.
--
-- People read the views: rows_SCHEMA_NAME of each table, row_list and ledger_list.

-- What the case is: "case" its random name, "journal_seq" and "journal_hash" the
-- last line of journal.jsonl that this file knows, "pseudonymized" that personal
-- values of this export were replaced.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Names of numbers, in order of trust.
CREATE TABLE route (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO route VALUES (1, 'heap'), (2, 'wal'), (3, 'stream'), (4, 'pitr'), (5, 'dump'), (6, 'import'), (7, 'logs');

CREATE TABLE confidence (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO confidence VALUES (1, 'proven'), (2, 'derived'), (3, 'claimed');

CREATE TABLE operation (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO operation VALUES (1, 'delete'), (2, 'update'), (3, 'drop column'), (4, 'truncate'), (5, 'drop');

-- Texts that many lines share: sources, reasons, notes.
CREATE TABLE text (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);

-- The one cluster whose loss this is.
CREATE TABLE cluster (
    system_identifier TEXT PRIMARY KEY, -- does not fit a signed number
    version           INTEGER NOT NULL,
    databases         TEXT NOT NULL     -- JSON array of names
) WITHOUT ROWID;

-- One run of a command.
CREATE TABLE run (
    id          INTEGER PRIMARY KEY,
    journal_seq INTEGER NOT NULL, -- of its "begin" in journal.jsonl
    command     TEXT NOT NULL,
    version     TEXT NOT NULL,    -- of pgrescue
    argv        TEXT NOT NULL,    -- JSON array
    who         TEXT NOT NULL,
    host        TEXT NOT NULL,
    began       INTEGER NOT NULL,
    ended       INTEGER NOT NULL,
    exit_code   INTEGER NOT NULL
);

-- The evidence that runs read: one line per file and content.
CREATE TABLE evidence (
    id        INTEGER PRIMARY KEY,
    path      TEXT NOT NULL,
    kind      TEXT NOT NULL,
    size      INTEGER NOT NULL,
    sha256    TEXT NOT NULL,  -- hex; '' when the file was not hashed
    mtime     INTEGER,
    how       TEXT NOT NULL,  -- how it was read
    relfile   TEXT NOT NULL,  -- tablespace/database/relation of a relation file; '' of others
    first_run INTEGER NOT NULL REFERENCES run,
    last_run  INTEGER NOT NULL REFERENCES run,
    UNIQUE (path, sha256)
);

-- The tables that rows and ledger lines are of.
CREATE TABLE relation (
    id               INTEGER PRIMARY KEY,
    database         TEXT NOT NULL,
    schema           TEXT NOT NULL,
    name             TEXT NOT NULL,
    partition_schema TEXT NOT NULL, -- the partitioned table at its root; '' of others
    partition_of     TEXT NOT NULL,
    encoding         TEXT NOT NULL, -- of its database; '' when not known
    view             TEXT NOT NULL, -- for people: the view of its rows
    UNIQUE (database, schema, name)
);

-- The columns that rows of a table had: one line for each shape that was met.
CREATE TABLE shape (
    id          INTEGER PRIMARY KEY,
    relation_id INTEGER NOT NULL REFERENCES relation,
    oid         INTEGER NOT NULL,
    columns     TEXT NOT NULL, -- JSON array of {name, type, key, generated, identity, dropped}
    UNIQUE (relation_id, oid, columns)
);

-- One version of one row, as one route found it. key, data and successor are JSON
-- arrays in the shape's order: a text is a string, NULL is null, an unknown value is
-- {"unknown": reason, "raw": hex}, a text that is not UTF-8 is {"bytes": hex}.
-- No column that a better find changes is NOT NULL, here and in ledger: SQLite would
-- keep a journal of each statement for it, which costs an eighth of the speed.
CREATE TABLE row (
    id           INTEGER PRIMARY KEY,
    relation_id  INTEGER NOT NULL REFERENCES relation,
    shape_id     INTEGER REFERENCES shape,
    run_id       INTEGER REFERENCES run,        -- that brought this content
    route        INTEGER NOT NULL REFERENCES route,
    confidence   INTEGER REFERENCES confidence,
    place        INTEGER NOT NULL, -- block << 16 | offset; in a text its line, and origin is its source
    lsn          INTEGER NOT NULL, -- of the record that destroyed the version, or that it was read from
    xmin         INTEGER NOT NULL,
    xmax         INTEGER NOT NULL,
    origin       INTEGER NOT NULL, -- 0: place is a TID
    nth          INTEGER NOT NULL, -- of several rows from one line; of logs, told by the key where it is known
    source_id    INTEGER REFERENCES text,
    line         INTEGER,
    operation    INTEGER REFERENCES operation,
    commit_time  INTEGER,
    note_id      INTEGER REFERENCES text,
    intermediate INTEGER, -- made by the transaction that destroyed it
    moved        INTEGER, -- to another partition
    unknown      INTEGER, -- how many values are unknown; 0: complete
    key          TEXT,             -- values of the primary key; NULL: the table has none
    data         TEXT,
    successor    TEXT,             -- values of the version that replaced it
    sum          INTEGER,
    origins      TEXT              -- where each value stands, in the shape's order: null, or {confidence, source, line, why};
                                   -- a source that is left out beside a line, and a confidence, are those of the row
);

-- The same version, found again, is the same line.
CREATE UNIQUE INDEX row_version ON row (relation_id, route, place, lsn, xmin, xmax, origin, nth);

-- The few versions that nobody ever saw are counted without reading all the others.
CREATE INDEX row_intermediate ON row (relation_id, place, lsn) WHERE intermediate AND origin = 0;

-- The ledger of the loss: one line for each version that was destroyed.
CREATE TABLE ledger (
    relation_id INTEGER NOT NULL REFERENCES relation,
    file_id     INTEGER NOT NULL REFERENCES text, -- tablespace/database/relation
    block       INTEGER NOT NULL,
    offset      INTEGER NOT NULL,
    lsn         INTEGER NOT NULL,
    standing    INTEGER, -- the better settlement wins: see ledger_list
    xid         INTEGER, -- toplevel transaction
    subxid      INTEGER, -- 0: none
    operation   INTEGER REFERENCES operation,
    commit_time INTEGER,
    named_by    INTEGER REFERENCES route,
    settled_by  INTEGER REFERENCES route,         -- NULL: missing
    in_part     INTEGER,
    carved      INTEGER, -- from the free space of its page
    derived     INTEGER, -- from an older page: not proven
    unsure      INTEGER, -- nothing says that the transaction committed
    reason_id   INTEGER REFERENCES text,          -- why missing or in part
    copy_id     INTEGER REFERENCES text,          -- the further copy it was found in
    run_id      INTEGER REFERENCES run,
    sum         INTEGER,
    PRIMARY KEY (relation_id, file_id, block, offset, lsn)
) WITHOUT ROWID;

-- What is known of a loss beside its lines.
CREATE TABLE loss (
    relation_id INTEGER NOT NULL REFERENCES relation,
    xids        TEXT NOT NULL,    -- JSON array
    covered     INTEGER NOT NULL, -- whether the ledger names every version
    why         TEXT NOT NULL,    -- and why not
    unseen      TEXT,             -- JSON: pages of a removed table that nothing vouches for
    sequences   TEXT,             -- JSON: where sequences stood
    run_id      INTEGER NOT NULL REFERENCES run,
    PRIMARY KEY (relation_id, xids)
) WITHOUT ROWID;

-- Evidence that could not be read.
CREATE TABLE gap (
    id          INTEGER PRIMARY KEY,
    place       TEXT NOT NULL,
    what        TEXT NOT NULL,
    why         TEXT NOT NULL,
    consequence TEXT NOT NULL,
    run_id      INTEGER NOT NULL REFERENCES run,
    UNIQUE (place, what, why, consequence)
);

-- The timeline: what happened, as WAL and logs tell it.
CREATE TABLE event (
    id        INTEGER PRIMARY KEY,
    time      INTEGER NOT NULL,
    source    TEXT NOT NULL,
    certainty TEXT NOT NULL,
    actor     TEXT NOT NULL,
    tenant    TEXT NOT NULL,
    statement TEXT NOT NULL,
    message   TEXT NOT NULL,
    detail    TEXT,             -- JSON
    identity  BLOB NOT NULL UNIQUE, -- hash of all of the above; of a line of a log: of time, source, statement, message and line
    run_id    INTEGER NOT NULL REFERENCES run,
    line      INTEGER           -- of source
);
CREATE INDEX event_time ON event (time);

-- How many rows of a table there are as a line of a log counts them.
CREATE TABLE logged_count (
    relation_id INTEGER NOT NULL REFERENCES relation,
    what        TEXT NOT NULL,    -- which rows: such as the id of their import, which stands in each; '' all of the table
    source      TEXT NOT NULL,
    line        INTEGER NOT NULL,
    rows        INTEGER NOT NULL,
    why         TEXT NOT NULL,    -- what says so
    run_id      INTEGER NOT NULL REFERENCES run,
    PRIMARY KEY (relation_id, what, source, line)
) WITHOUT ROWID;

-- What a triage made of the evidence that was at hand. The last one has the last word;
-- those before it stay.
CREATE TABLE triage (
    run_id INTEGER PRIMARY KEY REFERENCES run,
    hurt   TEXT NOT NULL, -- rows, table or files, or that nothing is, or that it cannot be told
    why    TEXT NOT NULL,
    named  TEXT NOT NULL  -- the hypothesis that the evidence points to; '' when nothing was lost as far as it goes
);

-- The tables that a triage takes for hurt, those of the worst loss first.
CREATE TABLE triage_table (
    run_id    INTEGER NOT NULL REFERENCES triage,
    place     INTEGER NOT NULL, -- from 1
    database  TEXT NOT NULL,
    schema    TEXT NOT NULL,    -- '' when a log did not say it
    name      TEXT NOT NULL,
    xid       INTEGER NOT NULL, -- of the transaction; 0 when it is not known
    way       TEXT NOT NULL,    -- DELETE, UPDATE, TRUNCATE or DROP
    rows      INTEGER,          -- how many are taken for lost; NULL: not known
    PRIMARY KEY (run_id, place)
) WITHOUT ROWID;

-- What may have happened, in the order of the triage.
CREATE TABLE hypothesis (
    run_id   INTEGER NOT NULL REFERENCES triage,
    place    INTEGER NOT NULL, -- from 1
    name     TEXT NOT NULL,
    standing TEXT NOT NULL,    -- proven, supported, contradicted, cannot be told
    loses    INTEGER NOT NULL, -- whether rows are gone if it is true
    PRIMARY KEY (run_id, place)
) WITHOUT ROWID;

-- One piece of evidence for or against a hypothesis.
CREATE TABLE point (
    run_id  INTEGER NOT NULL REFERENCES triage,
    place   INTEGER NOT NULL, -- of the hypothesis
    nth     INTEGER NOT NULL, -- from 1
    against INTEGER NOT NULL,
    source  TEXT NOT NULL,    -- wal, log, catalog, statistics, files, backups
    text    TEXT NOT NULL,
    PRIMARY KEY (run_id, place, nth)
) WITHOUT ROWID;

-- The ways back as a triage saw them, in order of trust.
CREATE TABLE coverage (
    run_id  INTEGER NOT NULL REFERENCES triage,
    place   INTEGER NOT NULL, -- from 1
    name    TEXT NOT NULL,    -- heap, wal, stream, base backup, dump, source files, logs
    covers  TEXT NOT NULL,    -- yes, no, in part, cannot be told
    why     TEXT NOT NULL,
    rows    INTEGER,          -- that it is expected to give; NULL: not known
    lost    INTEGER,          -- rows, of which; NULL: not known
    expires INTEGER,          -- at the latest; NULL: no moment can be named
    expiry  TEXT NOT NULL,    -- what it ends with; '' when nothing was there to end
    PRIMARY KEY (run_id, place)
) WITHOUT ROWID;

-- Foreign keys of the tables that the case knows, as catalogs had them. The last word on a key counts.
CREATE TABLE foreign_key (
    database       TEXT NOT NULL,
    schema         TEXT NOT NULL,
    name           TEXT NOT NULL, -- the table that has the key: the child
    constraint_name TEXT NOT NULL,
    columns        TEXT NOT NULL, -- JSON array of names; empty when they are not known
    parent_schema  TEXT NOT NULL,
    parent         TEXT NOT NULL, -- the table that it refers to
    parent_columns TEXT NOT NULL,
    on_delete      TEXT NOT NULL, -- NO ACTION, RESTRICT, CASCADE, SET NULL, SET DEFAULT; '' when it is not known
    run_id         INTEGER NOT NULL REFERENCES run,
    PRIMARY KEY (database, schema, name, constraint_name)
) WITHOUT ROWID;

-- Folders of the runs of runbooks that wrote to this case: their journals say what responders did.
CREATE TABLE runbook_run (
    folder TEXT PRIMARY KEY, -- absolute
    book   TEXT NOT NULL,    -- its title
    run_id INTEGER NOT NULL REFERENCES run
) WITHOUT ROWID;

-- Plans of `restore plan`; header is plan.json without its hashes, with what a person
-- chose about conflicts in its options.
CREATE TABLE plan (
    id        INTEGER PRIMARY KEY,
    made      INTEGER NOT NULL,
    hash      TEXT NOT NULL,
    rows_hash TEXT NOT NULL,
    rows      INTEGER NOT NULL,
    header    TEXT NOT NULL,
    state     TEXT NOT NULL
);

-- The decision of a plan for one row. Values are as in row, in the order of the plan's columns.
CREATE TABLE plan_row (
    plan_id   INTEGER NOT NULL REFERENCES plan,
    tbl       INTEGER NOT NULL, -- index of the table in the plan
    seq       INTEGER NOT NULL,
    action    TEXT NOT NULL,
    key       TEXT,
    data      TEXT,
    before    TEXT,             -- what the target had
    note      TEXT NOT NULL,
    from_rows TEXT NOT NULL,    -- JSON array of row.id
    PRIMARY KEY (plan_id, tbl, seq)
) WITHOUT ROWID;

-- What apply did: one line per transaction in the target, written before its COMMIT.
CREATE TABLE plan_batch (
    plan_id      INTEGER NOT NULL REFERENCES plan,
    batch        INTEGER NOT NULL,
    tbl          INTEGER NOT NULL,
    first_seq    INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    work         TEXT NOT NULL,    -- apply or undo
    round        INTEGER NOT NULL, -- an apply and the undo of it are one
    xid          TEXT NOT NULL,    -- of the target, with its epoch
    state        TEXT NOT NULL,
    detail       TEXT,             -- JSON
    committed_at INTEGER,
    PRIMARY KEY (plan_id, batch)
) WITHOUT ROWID;

-- Rows of a plan that `restore verify` did not find in the target as the plan promises.
CREATE TABLE plan_absent (
    plan_id INTEGER NOT NULL REFERENCES plan,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (plan_id, seq)
) WITHOUT ROWID;

-- Checksums of the tables that have no column sum.
CREATE TABLE digest (
    name   TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL
) WITHOUT ROWID;

CREATE VIEW row_list AS
SELECT row.id, relation.database, relation.schema, relation.name, route.name AS route, confidence.name AS confidence,
    source.text AS source, nullif(row.line, 0) AS line,
    CASE WHEN row.origin = 0 AND row.place <> 0 THEN '(' || (row.place >> 16) || ',' || (row.place & 65535) || ')' END AS tid,
    CASE WHEN row.lsn <> 0 THEN printf('%X/%X', row.lsn >> 32, row.lsn & 4294967295) END AS lsn,
    nullif(row.xmin, 0) AS xmin, nullif(row.xmax, 0) AS xmax, operation.name AS operation,
    strftime('%Y-%m-%d %H:%M:%S', row.commit_time / 1000000, 'unixepoch') || printf('.%06dZ', row.commit_time % 1000000) AS commit_time,
    note.text AS note, row.intermediate, row.unknown = 0 AS complete, row.key, row.data, row.successor, row.run_id, row.origins
FROM row
JOIN relation ON relation.id = row.relation_id
JOIN route ON route.id = row.route
JOIN confidence ON confidence.id = row.confidence
LEFT JOIN operation ON operation.id = row.operation
LEFT JOIN text AS source ON source.id = row.source_id
LEFT JOIN text AS note ON note.id = row.note_id;

CREATE VIEW ledger_list AS
SELECT relation.database, relation.schema, relation.name, file.text AS file,
    '(' || ledger.block || ',' || ledger.offset || ')' AS tid,
    printf('%X/%X', ledger.lsn >> 32, ledger.lsn & 4294967295) AS lsn,
    ledger.xid, nullif(ledger.subxid, 0) AS subxid, operation.name AS operation,
    strftime('%Y-%m-%d %H:%M:%S', ledger.commit_time / 1000000, 'unixepoch') || printf('.%06dZ', ledger.commit_time % 1000000) AS commit_time,
    named.name AS named_by, settled.name AS settled_by,
    CASE ledger.standing / 2 WHEN 0 THEN 'whole' WHEN 1 THEN 'whole, from an older page' WHEN 2 THEN 'in part' ELSE 'missing' END AS standing,
    reason.text AS reason, ledger.carved, ledger.derived, copy.text AS copy, ledger.unsure, ledger.run_id
FROM ledger
JOIN relation ON relation.id = ledger.relation_id
JOIN text AS file ON file.id = ledger.file_id
LEFT JOIN operation ON operation.id = ledger.operation
LEFT JOIN route AS named ON named.id = ledger.named_by
LEFT JOIN route AS settled ON settled.id = ledger.settled_by
LEFT JOIN text AS reason ON reason.id = ledger.reason_id
LEFT JOIN text AS copy ON copy.id = ledger.copy_id;
