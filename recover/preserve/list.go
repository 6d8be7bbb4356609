package preserve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The folders of the evidence.
const (
	toData    = "data"
	toFirst   = "wal-first"
	toLast    = "wal-last"
	toServer  = "server"
	toLogs    = "logs"
	toSources = "sources"
)

const walFolder = "pg_wal"

// Evidence finds what a folder of evidence holds, whoever made it: the data directory, "" where there is none, and the
// folders with WAL, in the order in which they were copied.
func Evidence(folder string) (data string, wal []string) {
	if info, err := os.Stat(filepath.Join(folder, toData)); err == nil && info.IsDir() {
		data = filepath.Join(folder, toData)
	}
	for _, name := range []string{toFirst, filepath.Join(toData, walFolder), toLast} {
		entries, err := os.ReadDir(filepath.Join(folder, name))
		// An empty folder would be WAL that cannot be read.
		if err == nil && slices.ContainsFunc(entries, func(entry os.DirEntry) bool { return entry.Type().IsRegular() }) {
			wal = append(wal, filepath.Join(folder, name))
		}
	}
	return data, wal
}

// walJob lists pg_wal.
func (w *work) walJob(ctx context.Context, name, to string) (*copyJob, error) {
	items, err := walk(ctx, w.data, walFolder, func(string, bool) bool { return true }, w.unreadable)
	return &copyJob{
		name: name, from: w.data, to: to, items: items, strip: walFolder, fresh: to == toLast,
		kind: func(string) evidence.Kind { return evidence.KindWAL },
	}, err
}

func (w *work) unreadable(path string, err error) { w.lacks(w.data.at(path), live.Message(err)) }

// hurtJob lists the files of the hurt tables.
func (w *work) hurtJob(ctx context.Context) (*copyJob, error) {
	j := &copyJob{name: "files of the hurt tables", from: w.data, to: toData, kind: kindOf}
	folders := make(map[string][]string)
	for i := range w.hurt {
		for _, file := range w.hurt[i].files {
			folders[path.Dir(file)] = append(folders[path.Dir(file)], path.Base(file))
		}
	}
	for folder, names := range folders {
		entries, err := w.data.list(ctx, folder)
		if err != nil {
			if lost(ctx, err) {
				return nil, err
			}
			w.unreadable(folder, err)
			continue
		}
		for _, e := range entries {
			if !e.folder && slices.Contains(names, relationName(e.name)) {
				j.items = append(j.items, item{path: path.Join(folder, e.name), size: e.size, modified: e.modified})
			}
		}
	}
	slices.SortFunc(j.items, func(a, b item) int { return strings.Compare(a.path, b.path) })
	return j, nil
}

// relationName is the name of the first file of the relation that a file belongs to: without fork and segment.
func relationName(name string) string {
	if at := strings.IndexAny(name, "_."); at >= 0 {
		return name[:at]
	}
	return name
}

// dataJob lists the data directory: all of it, or what reading the hurt tables takes.
func (w *work) dataJob(ctx context.Context, onlyHurt bool, logFolder string) (*copyJob, error) {
	version := w.majorVersion(ctx)
	wanted := func(file string, folder bool) bool {
		return w.wantsOfData(file, folder, version, logFolder) && (!onlyHurt || w.neededByHurt(file, folder))
	}
	items, err := walk(ctx, w.data, "", wanted, w.unreadable)
	// What says how far the WAL was written comes first: it may be older than the pages, and never newer.
	slices.SortStableFunc(items, func(a, b item) int { return rank(a.path) - rank(b.path) })
	name := "the data directory"
	if onlyHurt {
		name = "what reading the hurt tables takes"
	}
	return &copyJob{name: name, from: w.data, to: toData, items: items, kind: kindOf}, err
}

func rank(file string) int {
	switch {
	case file == "global/pg_control" || file == "backup_label" || file == "PG_VERSION":
		return 0
	case strings.HasPrefix(file, walFolder+"/"):
		return 2
	}
	return 1
}

// wantsOfData leaves out what is no evidence: sockets, shared memory, what queries sort on disk. The lock file goes to the
// folder of the server's state: in a copy it would name a server of the original. Logs go to their own folder.
func (w *work) wantsOfData(file string, folder bool, version, logFolder string) bool {
	base := path.Base(file)
	switch {
	case file == "postmaster.pid", strings.HasPrefix(base, "pgsql_tmp"), path.Dir(file) == "pg_dynshmem", folder && logFolder != "" && file == logFolder:
		return false
	case strings.HasPrefix(file, "pg_tblspc/") && strings.Count(file, "/") == 2: // servers of several versions may share a tablespace
		return version == "" || strings.HasPrefix(base, "PG_"+version+"_")
	}
	return true
}

// neededByHurt reports whether decoding the hurt tables takes a file: the catalogs, the state of transactions, WAL, and their own.
func (w *work) neededByHurt(file string, folder bool) bool {
	if folder {
		switch top, _, _ := strings.Cut(file, "/"); top {
		case "global", "base", "pg_xact", "pg_multixact", "pg_subtrans", "pg_commit_ts", "pg_twophase", "pg_tblspc", walFolder:
			return true
		}
		return false
	}
	if !strings.HasPrefix(file, "base/") && !strings.HasPrefix(file, "pg_tblspc/") {
		return true
	}
	base := path.Base(file)
	number, err := strconv.ParseUint(relationName(base), 10, 32)
	if err != nil || pg.OID(number) < pg.FirstNormalOID {
		return true
	}
	relation := path.Join(path.Dir(file), relationName(base))
	return slices.Contains(w.catalogs, relation) || slices.ContainsFunc(w.hurt, func(t hurtTable) bool { return slices.Contains(t.files, relation) })
}

// majorVersion is what PG_VERSION says; "" if it cannot be read.
func (w *work) majorVersion(ctx context.Context) string {
	in, err := w.data.open(ctx, "PG_VERSION")
	if err != nil {
		return ""
	}
	defer in.Close()
	text := make([]byte, 16)
	n, _ := in.Read(text) // a short file; what is no version is none
	return strings.TrimSpace(string(text[:n]))
}

// kindOf is what a file of a data directory is.
func kindOf(file string) evidence.Kind {
	base := path.Base(file)
	top, _, _ := strings.Cut(file, "/")
	switch {
	case top == walFolder && strings.HasSuffix(base, ".history"):
		return evidence.KindHistory
	case top == walFolder:
		return evidence.KindWAL
	case file == "global/pg_control":
		return evidence.KindControl
	case base == "PG_VERSION":
		return evidence.KindVersion
	case base == "pg_filenode.map":
		return evidence.KindMap
	case top == "pg_xact" || top == "pg_multixact" || top == "pg_subtrans":
		return evidence.KindXact
	case base == "backup_label" || base == "backup_manifest":
		return evidence.KindBackup
	case top == "base" || top == "global" || top == "pg_tblspc":
		return evidence.KindRelation
	}
	return KindDirectory
}

// Kinds of evidence that only a capture makes.
const (
	KindDirectory evidence.Kind = "of the data directory"
	KindState     evidence.Kind = "server state"
)

// outsideJobs lists files and folders of this machine, each of which keeps its name.
func (w *work) outsideJobs(ctx context.Context, what string, paths []string, to string, kind evidence.Kind) (jobs []*copyJob, err error) {
	var names []string
	for _, named := range paths {
		absolute, err := filepath.Abs(named)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(absolute)
		if err != nil {
			return nil, &evidence.Error{Op: "preserve: open " + what, Place: named, Err: errors.Unwrap(err)}
		}
		base := uniqueName(filepath.Base(absolute), names)
		names = append(names, base)
		j := &copyJob{name: what + " " + named, to: path.Join(to, base), fresh: true, kind: func(string) evidence.Kind { return kind }}
		if info.IsDir() {
			j.from = place{localTree{absolute}, absolute}
			j.items, err = walk(ctx, j.from, "", func(string, bool) bool { return true }, func(file string, err error) { w.lacks(j.from.at(file), err.Error()) })
			if err != nil {
				return nil, err
			}
		} else {
			j.from = place{localTree{filepath.Dir(absolute)}, filepath.Dir(absolute)}
			j.to = to
			j.items = []item{{path: filepath.Base(absolute), size: info.Size(), modified: info.ModTime()}}
			if base != filepath.Base(absolute) { // another file of the same name
				j.to = path.Join(to, base)
			}
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// uniqueName is a name that none of the others has.
func uniqueName(name string, others []string) string {
	unique := name
	for n := 2; slices.Contains(others, unique); n++ {
		unique = fmt.Sprintf("%s-%d", name, n)
	}
	return unique
}
