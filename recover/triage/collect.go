package triage

import (
	"context"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// Sources are what facts are collected from; each may be missing.
type Sources struct {
	Evidence *undelete.Evidence // a data directory, its catalogs, WAL
	WALPaths []string           // where WAL lies, if not in the data directory
	Server   Asker              // in the database that was hurt
	Card     *live.Card         // of Server
	Backups  *backups.Options   // where backups are looked for
	Trail    *evidence.Trail
	Progress func(stage string, bytes int64) func(int64)
	Asked    Asked
	Now      time.Time
}

// Collect reads all sources but logs and source files, whose facts the caller adds.
func Collect(ctx context.Context, s Sources) (*Facts, error) {
	f := &Facts{Now: s.Now, Asked: s.Asked, WALPaths: s.WALPaths}
	var skip []string
	if ev := s.Evidence; ev != nil {
		var err error
		if ev.Archive != nil {
			if f.WAL, err = ReadWAL(ctx, ev, s.Progress); err != nil {
				return nil, err
			}
			for i := range f.WAL.unread { // the others were told when the log was opened
				if g := &f.WAL.Gaps[i]; !g.Recycled {
					f.Gaps = append(f.Gaps, g.Evidence())
				}
			}
		}
		if f.DataDir, f.Tables, err = ReadDataDir(ctx, ev, s.Trail); err != nil {
			return nil, err
		}
		if ev.DataDir != "" {
			skip = append(skip, ev.DataDir)
		}
	}
	if s.Server != nil {
		server, tables, gaps, err := ReadServer(ctx, s.Server, s.Card)
		if err != nil {
			return nil, err
		}
		f.Server, f.Gaps = server, append(f.Gaps, gaps...)
		f.merge(tables)
	}
	if s.Backups != nil {
		options := *s.Backups
		options.Skip, options.Trail = append(options.Skip, skip...), s.Trail
		found, gaps, err := backups.Find(ctx, options)
		if err != nil {
			return nil, err
		}
		f.Backups, f.Searched, f.Gaps = found, true, append(f.Gaps, gaps...)
	}
	return f, nil
}

// merge adds what a server knows of tables to what the catalogs in a data directory say.
func (f *Facts) merge(tables []Table) {
	for i := range tables {
		t := &tables[i]
		known := false
		for j := range f.Tables {
			other := &f.Tables[j]
			if other.Dropped || other.OID != t.OID || other.Name != t.Name {
				continue
			}
			other.Stats, other.Parents, other.ParentsKnown, other.Rows = t.Stats, t.Parents, true, t.Rows
			known = true
		}
		if !known {
			f.Tables = append(f.Tables, *t)
		}
	}
}
