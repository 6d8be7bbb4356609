package cluster

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// BenchCorpus is a database made for measuring: much WAL, most of it page images
// and other people's transactions, and one delete of every fifth row of a wide
// table.
type BenchCorpus struct {
	Database string
	Table    LostTable
	XID      pg.XID // of the delete
	Before   Instant
	After    Instant
	// WALBytes is how much WAL the corpus made.
	WALBytes int64

	cluster *Cluster
}

// benchBytesPerRow is the WAL that one row of the wide table costs until the
// load is done, as measured on PostgreSQL 15; the rest of the WAL is traffic.
const benchBytesPerRow = 5300

// BuildBenchCorpus makes a corpus of at least targetBytes of WAL in a new
// database named bench: a table of 21 columns filled half by INSERT … SELECT and
// half by COPY, two mass updates, small transactions on another table between
// checkpoints until the WAL is long enough, then the delete. The cluster should
// have been made with TenantLossSettings. A second makes about 50 MB of it.
func BuildBenchCorpus(ctx context.Context, c *Cluster, targetBytes int64) (*BenchCorpus, error) {
	corpus := &BenchCorpus{Database: "bench", Table: LostTable{Schema: "public", Name: "wide", Key: []string{"id"}}, cluster: c}
	if err := corpus.build(ctx, targetBytes); err != nil {
		return nil, fmt.Errorf("cluster: build bench corpus: %w", err)
	}
	return corpus, nil
}

func (b *BenchCorpus) build(ctx context.Context, targetBytes int64) error {
	c := b.cluster
	start, err := c.CurrentLSN(ctx)
	if err != nil {
		return err
	}
	if err := c.Exec(ctx, "postgres", "CREATE DATABASE bench"); err != nil {
		return err
	}
	rows := max(targetBytes/benchBytesPerRow/10*10, 1000)
	if err := b.load(ctx, rows); err != nil {
		return err
	}
	if err := b.traffic(ctx, start+pg.LSN(targetBytes), rows); err != nil {
		return err
	}
	if err := b.Table.copyOut(ctx, c, b.Database, "tenant = 0"); err != nil {
		return err
	}
	if b.Before, err = c.Now(ctx); err != nil {
		return err
	}
	err = c.with(ctx, b.Database, func(conn *pgx.Conn) (err error) {
		b.XID, err = transact(ctx, conn, []string{"DELETE FROM wide WHERE tenant = 0"})
		return err
	})
	if err != nil {
		return err
	}
	if b.After, err = c.Now(ctx); err != nil {
		return err
	}
	b.WALBytes = int64(b.After.LSN - start)
	return Checkpoint(ctx, c)
}

func (b *BenchCorpus) load(ctx context.Context, rows int64) error {
	c := b.cluster
	if err := c.Exec(ctx, b.Database, benchSchema, "INSERT INTO wide "+fmt.Sprintf(benchRows, 1, rows/2), "CHECKPOINT"); err != nil {
		return err
	}
	if err := c.pump(ctx, b.Database, fmt.Sprintf(benchRows, rows/2+1, rows), "wide"); err != nil {
		return err
	}
	return c.Exec(ctx, b.Database,
		"CHECKPOINT", "UPDATE wide SET n = n + 1 WHERE n % 4 = 1",
		"CHECKPOINT", "UPDATE wide SET big = big + 1 WHERE n % 3 = 0",
		fmt.Sprintf("INSERT INTO account SELECT i, 0, repeat('x', 84) FROM generate_series(1, %d) i", rows),
		"CHECKPOINT")
}

// traffic runs small transactions, as pgbench does, until the WAL reaches until;
// then it checkpoints, so that the delete writes an image of each page it hits.
func (b *BenchCorpus) traffic(ctx context.Context, until pg.LSN, accounts int64) error {
	c := b.cluster
	turn := "CALL traffic(5000, " + strconv.FormatInt(accounts, 10) + ")"
	for range 10_000 {
		at, err := c.CurrentLSN(ctx)
		if err != nil {
			return err
		}
		if err := c.Exec(ctx, b.Database, "CHECKPOINT"); err != nil || at >= until {
			return err
		}
		if err := c.Exec(ctx, b.Database, turn); err != nil {
			return err
		}
	}
	return fmt.Errorf("the traffic did not reach %s", until)
}

// benchSchema has the types of the corpus that the peers were measured on.
const benchSchema = `
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE wide (
	id uuid PRIMARY KEY, tenant int NOT NULL, n int, note text, title varchar(200), meta jsonb, price numeric(12,4),
	at timestamptz, local timestamp, day date, ok boolean, tags text[], sizes int[], feeling mood, addr inet,
	big bigint, small smallint, ratio float8, part float4, raw bytea, code char(8));
CREATE TABLE account (id int PRIMARY KEY, balance int, filler char(84)) WITH (fillfactor = 90);
CREATE TABLE history (account int, delta int, at timestamp DEFAULT now(), filler char(22));
CREATE PROCEDURE traffic(turns int, accounts int) LANGUAGE plpgsql AS $$
DECLARE target int;
BEGIN
	FOR i IN 1..turns LOOP
		target := 1 + floor(random() * accounts);
		UPDATE account SET balance = balance + 1 WHERE id = target;
		INSERT INTO history (account, delta, filler) VALUES (target, 1, 'x');
		COMMIT;
	END LOOP;
END $$`

// One row in a hundred has external jsonb, one in twenty inline compressed text.
const benchRows = `
SELECT md5(i::text)::uuid, i%%5, i, CASE i%%20 WHEN 0 THEN repeat('note ' || i || ' ', 300) WHEN 1 THEN NULL ELSE 'note' || E'\t"quoted" ü ' || i END,
	'title ' || i, CASE WHEN i%%100 = 0 THEN jsonb_build_object('n', i, 'list', (SELECT jsonb_agg(md5((i*100+g)::text)) FROM generate_series(1, 120) g))
	ELSE jsonb_build_object('n', i, 'k', md5(i::text)) END,
	CASE i%%50 WHEN 0 THEN 'NaN' ELSE i / 3.0 END, '2024-01-01 00:00:00+00'::timestamptz + i * '1 s'::interval,
	'2024-01-01'::timestamp + i * '1.5 s'::interval, '2000-01-01'::date + i%%9000, i%%2 = 0,
	CASE i%%7 WHEN 0 THEN '{}' ELSE ARRAY['a' || i, NULL, 'c d'] END, ARRAY[i, i+1, i+2], (enum_range(NULL::mood))[1 + i%%3],
	('10.0.' || i%%250 || '.' || i%%199)::inet, i * 1000003::bigint, (i%%30000)::smallint,
	CASE i%%60 WHEN 0 THEN 'Infinity' ELSE i / 7.0 END, i / 9.0, decode(md5(i::text), 'hex'), 'c' || i%%999
FROM generate_series(%d, %d) i`
