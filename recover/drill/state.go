package drill

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// state is what a step may change beside rows. It is read from catalogs and settings only.
type state struct {
	entries map[string]string // "setting wal_keep_size" and the like, with their values
	files   map[pg.RelFileNumber]string
	lsn     pg.LSN
}

// readState asks the server; nil when it does not answer.
func readState(ctx context.Context, c *cluster.Cluster) *state {
	s, err := c.Session(ctx, database)
	if err != nil {
		return nil
	}
	defer s.Close(context.WithoutCancel(ctx))
	found := &state{entries: map[string]string{}, files: map[pg.RelFileNumber]string{}}
	for _, query := range []string{
		`SELECT 'setting ' || trim(split_part(line, '=', 1)), trim(substr(line, strpos(line, '=') + 1)) FROM unnest(string_to_array(pg_read_file('postgresql.auto.conf'), E'\n')) AS line WHERE line LIKE '%=%' AND line NOT LIKE '#%'`,
		`SELECT 'file postgresql.conf', md5(pg_read_file('postgresql.conf'))`,
		`SELECT 'settings of role ' || setrole || ' in database ' || setdatabase, setconfig::text FROM pg_db_role_setting`,
		`SELECT 'replication slot ' || slot_name, slot_type FROM pg_replication_slots WHERE NOT temporary`,
		`SELECT 'options of ' || CASE WHEN t.oid IS NULL THEN c.oid::regclass::text ELSE 'the TOAST table of ' || t.oid::regclass END, c.reloptions::text
FROM pg_class c LEFT JOIN pg_class t ON t.reltoastrelid = c.oid WHERE c.reloptions IS NOT NULL AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 't', 'm')`,
		`SELECT 'table ' || oid::regclass, '' FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p') AND relpersistence <> 't'`,
	} {
		if err := found.read(ctx, s, query); err != nil {
			return nil
		}
	}
	if err := found.readFiles(ctx, s); err != nil {
		return nil
	}
	text, err := s.Value(ctx, "SELECT pg_current_wal_insert_lsn()")
	if err != nil {
		return nil
	}
	if found.lsn, err = pg.ParseLSN(text); err != nil {
		return nil
	}
	return found
}

func (f *state) read(ctx context.Context, s *cluster.Session, query string) error {
	text, err := s.CopyOut(ctx, query)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		f.entries[name] = value
	}
	return err
}

// readFiles reads which table each file belongs to; that of a partition is of the whole table.
func (f *state) readFiles(ctx context.Context, s *cluster.Session) error {
	text, err := s.CopyOut(ctx, `SELECT pg_relation_filenode(oid), coalesce(pg_partition_root(oid), oid)::regclass FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm') AND relpersistence <> 't'`)
	for line := range strings.Lines(string(text)) {
		var number pg.RelFileNumber
		file, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if _, err := fmt.Sscan(file, &number); err == nil {
			f.files[number] = name
		}
	}
	return err
}

// changes says what is other than it was, a line for each.
func (f *state) changes(now *state) (list []string) {
	if f == nil || now == nil {
		return nil
	}
	names := maps.Clone(f.entries)
	maps.Copy(names, now.entries)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, was := f.entries[name]
		after, is := now.entries[name]
		switch {
		case !was:
			list = append(list, strings.TrimSpace("new: "+name+" "+after))
		case !is:
			list = append(list, strings.TrimSpace("gone: "+name+" "+before))
		case before != after:
			list = append(list, fmt.Sprintf("%s is %s, and was %s", name, after, before))
		}
	}
	return list
}

// deed is what one transaction, which is not of the traffic, did to rows.
type deed struct {
	end     pg.LSN
	tallies []xact.Tally
}

// deeds reads the WAL from a place on for the transactions that were not the traffic's.
func deeds(ctx context.Context, c *cluster.Cluster, from pg.LSN, t *traffic) ([]deed, error) {
	archive, err := wal.OpenArchive([]string{c.WALDir()}, wal.OpenOptions{})
	if err != nil {
		return nil, fmt.Errorf("drill: read the WAL of the shop: %w", err)
	}
	defer archive.Close()
	result, err := xact.Collect(ctx, archive, xact.Options{
		Scan:   wal.ScanOptions{From: from},
		Counts: func(file pg.RelFileLocator) bool { return file.Relation >= pg.RelFileNumber(pg.FirstNormalOID) },
		Keep: func(tx *xact.Transaction) bool {
			return tx.State == xact.Committed && len(tx.Tallies) > 0 && !t.mine(fmt.Sprint(tx.XID))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("drill: read the WAL of the shop: %w", err)
	}
	var list []deed
	for i := range result.Transactions {
		tx := &result.Transactions[i]
		list = append(list, deed{tx.EndLSN, tx.Tallies})
	}
	return list, nil
}
