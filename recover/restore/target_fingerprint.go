package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/live"
)

// qualified runs read with names printed in full, whatever the session's search_path is.
// The path comes back before a statement that may fire triggers, which can need it.
func qualified(ctx context.Context, conn *live.Conn, read func() error) error {
	const op = "read the definition of the tables at"
	if err := conn.Exec(ctx, op, "SET LOCAL search_path TO pg_catalog"); err != nil {
		return err
	}
	if err := read(); err != nil {
		return err
	}
	return conn.Exec(ctx, op, "SET LOCAL search_path TO DEFAULT")
}

// definitionSQL describes a table and its partitions, a line for each thing that a plan
// depends on. There are no OIDs in it: a table that was made anew in the same way is the
// same to a plan. Triggers that partitions have from their root are internal in
// PostgreSQL 12, as those of foreign keys are.
const definitionSQL = `WITH tree AS (SELECT $1::oid AS oid UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::oid)),
named AS (SELECT c.*, pg_catalog.format('%I.%I', n.nspname, c.relname) AS full_name
	FROM tree JOIN pg_catalog.pg_class c USING (oid) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
SELECT line FROM (
	SELECT pg_catalog.concat_ws(' ', 'table', full_name, relkind, relpersistence, relrowsecurity, relforcerowsecurity,
		pg_catalog.pg_get_expr(relpartbound, oid), pg_catalog.pg_get_partkeydef(oid)) AS line FROM named
	UNION ALL
	SELECT pg_catalog.concat_ws(' ', 'heir', full_name, pg_catalog.format('%I.%I', n.nspname, h.relname))
	FROM named JOIN pg_catalog.pg_inherits i ON i.inhparent = named.oid JOIN pg_catalog.pg_class h ON h.oid = i.inhrelid
	JOIN pg_catalog.pg_namespace n ON n.oid = h.relnamespace
	UNION ALL
	SELECT pg_catalog.concat_ws(' ', 'column', full_name, pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid, a.atttypmod),
		a.attnotnull, a.attidentity, a.attgenerated, l.collname, pg_catalog.pg_get_expr(d.adbin, d.adrelid))
	FROM named JOIN pg_catalog.pg_attribute a ON a.attrelid = named.oid AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
	UNION ALL
	SELECT pg_catalog.concat_ws(' ', 'constraint', full_name, pg_catalog.quote_ident(c.conname), pg_catalog.pg_get_constraintdef(c.oid), c.convalidated)
	FROM named JOIN pg_catalog.pg_constraint c ON c.conrelid = named.oid
	UNION ALL
	SELECT pg_catalog.concat_ws(' ', 'index', full_name, pg_catalog.pg_get_indexdef(i.indexrelid), i.indisvalid, i.indimmediate)
	FROM named JOIN pg_catalog.pg_index i ON i.indrelid = named.oid WHERE i.indisunique OR i.indisexclusion
	UNION ALL
	SELECT pg_catalog.concat_ws(' ', 'trigger', full_name, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled, pg_catalog.md5(p.prosrc))
	FROM named JOIN pg_catalog.pg_trigger t ON t.tgrelid = named.oid AND (NOT t.tgisinternal OR t.tgconstraint = 0) JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
	UNION ALL
	SELECT pg_catalog.concat_ws(' ', 'rule', full_name, pg_catalog.pg_get_ruledef(r.oid), r.ev_enabled)
	FROM named JOIN pg_catalog.pg_rewrite r ON r.ev_class = named.oid AND r.rulename <> '_RETURN'
	UNION ALL
	SELECT pg_catalog.concat_ws(' ', 'policy', full_name, pg_catalog.quote_ident(p.polname), p.polcmd, p.polpermissive,
		pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
	FROM named JOIN pg_catalog.pg_policy p ON p.polrelid = named.oid
) AS lines ORDER BY line COLLATE "C"`

// fingerprintOf hashes the definition of the table with an OID. Names must be printed
// in full: see qualified.
func fingerprintOf(ctx context.Context, conn *live.Conn, oid string) (string, error) {
	sum := sha256.New()
	err := conn.Query(ctx, "read the definition of a table of", definitionSQL, live.Parameters(oid), func(row [][]byte) error {
		_, err := fmt.Fprintf(sum, "%d %s\n", len(row[0]), row[0])
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// checkFingerprint refuses a table of the plan that has another definition by now. oid
// is what its name leads to. It is for a transaction, within qualified.
func checkFingerprint(ctx context.Context, conn *live.Conn, oid string, table *TablePlan) error {
	now, err := fingerprintOf(ctx, conn, oid)
	if err != nil {
		return err
	}
	if now != table.Fingerprint {
		return conn.Endpoint().Failure("restore: check the plan against", ErrStale,
			fmt.Errorf("the definition of table %s has changed since the plan was made", table), hintPlanAnew)
	}
	return nil
}
