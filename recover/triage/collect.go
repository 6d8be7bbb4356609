package triage

import (
	"context"
	"errors"
	"os"
	"slices"
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
	Typed    Typed              // for the commands that are proposed
	// Unread is a data directory that could not be opened as Evidence; "": none.
	Unread string
	Server Asker      // in the database that was hurt
	Card   *live.Card // of Server
	// Open opens a session in another database of the server; nil: nobody looks there.
	Open     func(ctx context.Context, database string) (Asker, func(), error)
	Backups  *backups.Options // where backups are looked for
	Engine   Engine           // nil: no containers are asked for
	EngineAt string
	Trail    *evidence.Trail
	Progress func(stage string, bytes int64) func(int64)
	Asked    Asked
	Now      time.Time
}

// Collect reads all sources but logs and source files, whose facts the caller adds.
func Collect(ctx context.Context, s Sources) (*Facts, error) {
	f := &Facts{Now: s.Now, Asked: s.Asked, WALPaths: s.WALPaths, Typed: s.Typed}
	var skip []string
	if ev := s.Evidence; ev != nil {
		var err error
		if ev.Archive != nil {
			if f.WAL, err = ReadWAL(ctx, ev, s.Trail, s.Progress); err != nil {
				return nil, err
			}
			for i := range f.WAL.unread { // the others were told when the log was opened
				if g := &f.WAL.Gaps[i]; !g.Recycled {
					f.Gaps = append(f.Gaps, g.Evidence())
				}
			}
		}
		var removed map[string]bool
		if f.WAL != nil {
			removed = f.WAL.Gone
		}
		if f.DataDir, f.Tables, err = ReadDataDir(ctx, ev, removed, s.Trail); err != nil {
			return nil, err
		}
		if ev.DataDir != "" {
			skip = append(skip, ev.DataDir)
		}
	}
	if s.Evidence == nil && s.Unread != "" {
		f.DataDir = gutted(s.Unread, s.Server != nil)
	}
	if s.Server != nil {
		server, tables, gaps, err := ReadServer(ctx, s.Server, s.Card)
		if err != nil {
			return nil, err
		}
		f.Server, f.Gaps = server, append(f.Gaps, gaps...)
		if f.OtherCluster = f.ofAnother(server.Identifier); !f.OtherCluster {
			f.merge(tables)
		}
		if err := f.lookElsewhere(ctx, s.Open); err != nil {
			return nil, err
		}
	}
	if s.Engine != nil {
		if err := f.readEngine(ctx, &s); err != nil {
			return nil, err
		}
	}
	if s.Backups != nil {
		options := *s.Backups
		for i := range f.Volumes { // one that this user may not read is looked into by nobody
			if _, err := os.ReadDir(f.Volumes[i].Path); err == nil {
				options.Paths = append(slices.Clone(options.Paths), f.Volumes[i].Path)
			}
		}
		options.Skip, options.Trail = append(options.Skip, skip...), s.Trail
		found, gaps, err := backups.Find(ctx, options)
		if err != nil {
			return nil, err
		}
		f.Backups, f.Searched, f.Gaps = found, true, append(f.Gaps, gaps...)
		f.nameVolumes()
	}
	return f, nil
}

// ofAnother reports whether a server's system identifier is not that of the files at hand.
func (f *Facts) ofAnother(identifier uint64) bool {
	switch {
	case identifier == 0:
		return false
	case f.DataDir != nil && f.DataDir.SystemIdentifier != 0:
		return f.DataDir.SystemIdentifier != identifier
	}
	return f.WAL != nil && f.WAL.SystemIdentifier != identifier
}

// mostElsewhere bounds how many other databases are asked.
const mostElsewhere = 50

// lookElsewhere asks the other databases of the server for tables that were asked for, and are not in this one.
// A database that lets nobody in has no answer.
func (f *Facts) lookElsewhere(ctx context.Context, open func(context.Context, string) (Asker, func(), error)) error {
	var missing []string
	for i := range f.Asked.Tables {
		if f.table(f.Asked.Tables[i]) == nil {
			missing = append(missing, f.Asked.Tables[i].Name)
		}
	}
	if len(missing) == 0 || open == nil {
		return nil
	}
	for i, other := range f.Server.Databases {
		if other.Name == f.Server.Database || i == mostElsewhere {
			continue
		}
		conn, done, err := open(ctx, other.Name)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		for _, name := range missing {
			err = errors.Join(err, conn.Query(ctx, "look for a table", `SELECT 1 FROM pg_catalog.pg_class WHERE relname = $1 AND relkind IN ('r', 'p', 'm') LIMIT 1`, live.Parameters(name),
				func([][]byte) error {
					f.Server.Elsewhere = append(f.Server.Elsewhere, other.Name)
					return nil
				}))
		}
		done()
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
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
