package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// sourceOptions are the flags that name evidence.
type sourceOptions struct {
	dataDir     string
	wal         []string
	catalogFile string
	timeline    uint32
	also        []string
	databases   []string
	tablespaces []string
	captured    bool // it is the evidence of the case
}

func (o *sourceOptions) addDataDir(command *cobra.Command) {
	command.Flags().StringVarP(&o.dataDir, "pgdata", "D", "", "data directory, or a copy of one")
	command.Flags().StringArrayVar(&o.databases, "database", nil, "only this database; may be repeated (default all but templates)")
	command.Flags().StringArrayVar(&o.tablespaces, "tablespace", nil, "OID=DIR: where the copy of a tablespace lies, if its link in pg_tblspc does not lead there; may be repeated")
}

func (o *sourceOptions) addCatalog(command *cobra.Command) {
	command.Flags().StringVar(&o.catalogFile, "catalog", "", "snapshot `FILE` of catalog dump, in the place of the catalogs in --pgdata")
}

func (o *sourceOptions) addAlso(command *cobra.Command) {
	command.Flags().StringArrayVar(&o.also, "also", nil, "further data directory or unpacked base backup of the same cluster, whose pages are looked at; may be repeated")
}

func (o *sourceOptions) addTimeline(command *cobra.Command) {
	command.Flags().Uint32Var(&o.timeline, "timeline", 0, "timeline to read (default the newest in the WAL)")
}

// open opens the evidence for a command, and tells of its gaps.
func (o *sourceOptions) open(
	ctx context.Context, command string, terminal *term.Terminal, progress *stages, found *recorder,
) (*undelete.Evidence, []evidence.Gap, error) {
	if o.dataDir != "" && !o.captured { // the copy of a lock file names no server of the copy
		warnIfRunning(terminal, o.dataDir)
	}
	spaces, err := o.tablespaceMap()
	if err != nil {
		return nil, nil, err
	}
	ev, gaps, err := undelete.Open(ctx, undelete.Sources{
		DataDir: o.dataDir, WAL: o.wal, Also: o.also, CatalogFile: o.catalogFile, Timeline: pg.TimelineID(o.timeline),
		Databases: o.databases, Tablespaces: spaces, Progress: progress.begin, Room: command, Trail: found.Trail(),
	})
	if err == nil && ev.Archive != nil {
		for _, g := range ev.Archive.Gaps() {
			gaps = append(gaps, g.Evidence())
		}
	}
	progress.end()
	terminal.Gaps(gaps, shownGaps)
	if err == nil && ev.Archive != nil {
		tellRecycled(terminal, ev.Archive)
	}
	if err == nil {
		if err = found.opened(ev, gaps); err != nil {
			return nil, nil, errors.Join(err, ev.Close())
		}
	}
	return ev, gaps, libraryError(err)
}

// leaveOutSame takes those further copies out that are the data directory itself, or
// one named before: their pages would be read once more, and add nothing.
func (o *sourceOptions) leaveOutSame(terminal *term.Terminal) {
	var kept []string
	for _, dir := range o.also {
		same := func(other string) bool { return sameFolder(dir, other) }
		switch {
		case same(o.dataDir):
			terminal.Warnf("--also %s is the folder that --pgdata names, so it adds nothing and is left out", dir)
		case slices.ContainsFunc(kept, same):
			terminal.Warnf("--also %s is a folder that another --also names, so it adds nothing and is left out", dir)
		default:
			kept = append(kept, dir)
		}
	}
	o.also = kept
}

// sameFolder reports whether two paths lead to one folder that is there.
func sameFolder(a, b string) bool {
	first, errFirst := os.Stat(a)
	second, errSecond := os.Stat(b)
	return errFirst == nil && errSecond == nil && os.SameFile(first, second)
}

// tellRecycled says that segments were used that other tools reject by their names,
// and where WAL between them is gone.
func tellRecycled(terminal *term.Terminal, archive *wal.Archive) {
	used := archive.Recycled()
	if len(used) == 0 {
		return
	}
	terminal.Infof("%s used: the server keeps old WAL from %s to %s in files named for later use",
		term.Plural(int64(len(used)), "recycled segment is", "recycled segments are"), used[0].Start, used[len(used)-1].Start+pg.LSN(used[len(used)-1].Bytes))
	if holes := len(archive.Holes()); holes > 0 {
		terminal.Infof("before %s the WAL has %s, where the server wrote over recycled segments", archive.Start(),
			term.Plural(int64(holes), "hole", "holes"))
	}
}

// tablespaceMap reads --tablespace.
func (o *sourceOptions) tablespaceMap() (map[pg.OID]string, error) {
	spaces := make(map[pg.OID]string, len(o.tablespaces))
	for _, text := range o.tablespaces {
		number, dir, found := strings.Cut(text, "=")
		oid, err := strconv.ParseUint(number, 10, 32)
		if !found || err != nil || dir == "" {
			return nil, exitcode.Usagef("the OID is the name of the link in pg_tblspc, such as --tablespace 16400=/copy/space",
				"--tablespace %q is not OID=DIR", text)
		}
		spaces[pg.OID(oid)] = dir
	}
	return spaces, nil
}

// stages shows the progress of work that has several stages, one after the other.
type stages struct {
	terminal *term.Terminal
	current  *term.Progress
}

func (s *stages) begin(stage string, bytes int64) func(int64) {
	s.end()
	s.current = s.terminal.Progress(bytes, stage)
	return s.current.Add
}

func (s *stages) end() {
	s.current.End()
	s.current = nil
}

// parseTime reads a moment with its zone. A time without a zone is refused: in
// an incident, an hour too many or too few is another transaction.
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	normal := strings.Replace(strings.TrimSuffix(strings.TrimSuffix(text, " UTC"), "Z"), "T", " ", 1)
	zoned := len(normal) != len(text) && (strings.HasSuffix(text, "Z") || strings.HasSuffix(text, " UTC"))
	if zoned {
		normal += "+00:00"
	}
	for _, layout := range zonedLayouts() {
		if t, err := time.Parse(layout, normal); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, exitcode.Usagef(`write it with its zone, such as "2026-11-23 14:05:00Z" or "2026-11-23 15:05:00+01:00"`,
		"--%s %q is not a time with a zone", flag, text)
}

// zonedLayouts are the ways to write a moment, from the shape of its clock and
// that of its zone; the zone is never left out.
func zonedLayouts() []string {
	var layouts []string
	for _, clock := range []string{"15:04:05.999999999", "15:04"} {
		for _, zone := range []string{"Z07:00", "Z0700", "Z07", " Z07:00", " Z0700", " Z07"} {
			layouts = append(layouts, "2006-01-02 "+clock+zone)
		}
	}
	return layouts
}

// formatOf reads --format.
func formatOf(text string) (evidence.Format, error) {
	switch f := evidence.Format(text); f {
	case evidence.FormatCopy, evidence.FormatCSV, evidence.FormatJSONL, evidence.FormatSQL:
		return f, nil
	}
	return "", exitcode.Usagef("formats are copy, csv, jsonl and sql", "--format %q is not known", text)
}
