package cluster

import "fmt"

// tenantSchema has a narrow table that is inserted row by row, a middling one
// that is filled by COPY, and a wide one with TOAST.
const tenantSchema = `
CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('new', 'paid', 'shipped', 'void');
CREATE DOMAIN shop.amount AS numeric(12,2) CHECK (VALUE >= 0);
CREATE TABLE shop.event (
	id bigint PRIMARY KEY, tenant int NOT NULL, kind smallint NOT NULL, gone text, at timestamptz NOT NULL,
	seconds double precision, ok boolean, source inet, note varchar(80));
CREATE TABLE shop.item (
	order_no int NOT NULL, line int NOT NULL, tenant int NOT NULL, sku char(12) NOT NULL, name text,
	price shop.amount, state shop.state NOT NULL, due date, tags text[], sizes int[], PRIMARY KEY (order_no, line));
CREATE INDEX ON shop.item (state);
CREATE TABLE shop.document (
	id uuid PRIMARY KEY, tenant int NOT NULL, title varchar(200) NOT NULL, body text, plain text,
	small text, meta jsonb, weight numeric, ratio real, mac macaddr, took interval, local timestamp, hash bytea);
ALTER TABLE shop.document ALTER COLUMN plain SET STORAGE EXTERNAL;
`

// tenantCompression is apart, as a server may have been built without lz4.
const tenantCompression = `
DO $$ BEGIN
	ALTER TABLE shop.document ALTER COLUMN small SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$`

// The tenant of row i is 1 + i%3, so each has exactly a third of a multiple of three.
const loadEvents = `
INSERT INTO shop.event SELECT i, 1 + i%%3, i%%7, 'gone' || i, '2024-01-01 00:00:00+00'::timestamptz + i * '7.000123 s'::interval,
	CASE i%%11 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity' ELSE i / 7.0 END, i%%5 <> 0,
	('10.' || i%%250 || '.' || i/250%%250 || '.1/' || 8 + i%%24)::inet, CASE WHEN i%%4 = 0 THEN NULL ELSE 'note ' || i || E'\ttab' END
FROM generate_series(%d, %d) i`

const itemRows = `
SELECT i/4, i%%4, 1 + i%%3, 'SKU' || i, CASE i%%9 WHEN 0 THEN NULL ELSE 'Größe ' || md5(i::text) || E'\\ \n' END, (i%%100000)/100.0,
	(enum_range(NULL::shop.state))[1 + i%%4], '2020-02-28'::date + i%%3000,
	CASE i%%5 WHEN 0 THEN NULL WHEN 1 THEN '{}' ELSE ARRAY['a ' || i, NULL, 'q"uote'] END, CASE WHEN i%%6 = 0 THEN '[0:1]={7,8}' ELSE ARRAY[i, i+1] END
FROM generate_series(1, %d) i`

// Every 17th body is external and compressed, every 20th plain external and
// uncompressed, small is compressed inline, the rest stays short.
const loadDocuments = `
INSERT INTO shop.document SELECT md5('document' || i)::uuid, 1 + i%%3, 'Document ' || i,
	CASE WHEN i%%17 = 0 THEN (SELECT string_agg(md5((i*1000+g)::text) || repeat(' pad', 8), '') FROM generate_series(1, 130) g) ELSE 'body ' || i END,
	CASE WHEN i%%20 = 0 THEN (SELECT string_agg(md5((i*1000+g)::text), '') FROM generate_series(1, 150) g) END,
	CASE WHEN i%%8 = 0 THEN repeat('small ' || i || ' ', 300) ELSE 'small' END,
	jsonb_build_object('n', i, 'list', jsonb_build_array(i, NULL, true, 'ü'), 'big', CASE WHEN i%%50 = 0 THEN
		(SELECT jsonb_agg(md5((i*7+g)::text)) FROM generate_series(1, 200) g) END),
	CASE i%%13 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN (i || '00000000000000000000.000001')::numeric ELSE i / 8.0 END,
	i / 3.0, ('08:00:2b:01:02:' || lpad(to_hex(i%%256), 2, '0'))::macaddr, i * '1 day 2:03:04.5'::interval,
	'2023-12-31 23:59:59.999'::timestamp + i * '1 min'::interval, decode(md5(i::text), 'hex')
FROM generate_series(1, %d) i`

// tenantLife makes the rows' history: columns come and go, rows of all tenants
// are updated on and off their pages, locked by two at a time, and a delete is
// rolled back.
func tenantLife() []string {
	return []string{
		"ALTER TABLE shop.event DROP COLUMN gone",
		"ALTER TABLE shop.event ADD COLUMN level int NOT NULL DEFAULT 42, ADD COLUMN remark text DEFAULT 'added later'",
		"UPDATE shop.event SET ok = NOT ok, remark = 'hot ' || id WHERE id % 40 = 0",
		"UPDATE shop.item SET state = 'void', price = price + 1 WHERE order_no % 30 = 0",
		"CHECKPOINT",
		"UPDATE shop.document SET title = title || ' (2)', body = body || ' more' WHERE get_byte(hash, 0) < 20",
		"BEGIN; DELETE FROM shop.event WHERE tenant = 1 AND id % 10 = 0; DELETE FROM shop.document WHERE tenant = 1 AND title LIKE '%7'; ROLLBACK",
		"BEGIN; SELECT FROM shop.item WHERE order_no % 50 = 1 FOR KEY SHARE; SAVEPOINT s; SELECT FROM shop.item WHERE order_no % 100 = 1 FOR UPDATE; COMMIT",
		"UPDATE shop.event SET note = 'second ' || id WHERE id % 80 = 0",
		"CHECKPOINT",
		"UPDATE shop.item SET name = 'after the checkpoint' WHERE order_no % 70 = 3",
	}
}

// tenantDelete is the loss. The rolled back savepoint hits rows of another
// tenant, which must not be counted.
func tenantDelete() []string {
	return []string{
		"DELETE FROM shop.event WHERE tenant = 1",
		"SAVEPOINT wrong",
		"DELETE FROM shop.event WHERE tenant = 2 AND id % 100 = 0",
		"ROLLBACK TO SAVEPOINT wrong",
		"SAVEPOINT items",
		"DELETE FROM shop.item WHERE tenant = 1",
		"RELEASE SAVEPOINT items",
		"DELETE FROM shop.document WHERE tenant = 1",
	}
}

// tenantTraffic is the work of another tenant: each turn changes one of its own
// rows, which lie on the same pages as the doomed ones. One row a transaction
// cannot deadlock with anybody.
func tenantTraffic(tenant int) func(turn int) string {
	return func(turn int) string {
		key := turn*7919%100_000 + tenant - 1 - (turn*7919%100_000)%3 // its own tenant's: key%3 == tenant-1
		fresh := 1_000_000_000 + turn*3 + tenant - 1
		switch turn % 8 {
		case 0:
			return fmt.Sprintf("INSERT INTO shop.event (id, tenant, kind, at) VALUES (%d, %d, 1, now())", fresh, tenant)
		case 1:
			return fmt.Sprintf("UPDATE shop.event SET note = 'traffic %d' WHERE id = %d AND tenant = %d", turn, key, tenant)
		case 2:
			return fmt.Sprintf("DELETE FROM shop.event WHERE id = %d AND tenant = %d", key+30_000, tenant)
		case 3:
			return fmt.Sprintf("UPDATE shop.item SET name = 'traffic' WHERE order_no = %d AND line = %d", key/4, key%4)
		case 4:
			return fmt.Sprintf("BEGIN; UPDATE shop.item SET price = 1 WHERE order_no = %d AND line = %d; ROLLBACK", key/4, key%4)
		case 5:
			return fmt.Sprintf("INSERT INTO shop.document (id, tenant, title, body) VALUES (md5('t%d')::uuid, %d, 'traffic', repeat('%d ', 2000))", fresh, tenant, turn)
		case 6:
			return fmt.Sprintf("UPDATE shop.document SET body = 'short' WHERE id = md5('t%d')::uuid", fresh-3)
		default:
			return fmt.Sprintf("BEGIN; SAVEPOINT a; DELETE FROM shop.event WHERE id = %d AND tenant = %d; RELEASE a; SAVEPOINT b; INSERT INTO shop.event (id, tenant, kind, at) VALUES (%d, %d, 2, now()); ROLLBACK TO b; COMMIT",
				key, tenant, fresh, tenant)
		}
	}
}
