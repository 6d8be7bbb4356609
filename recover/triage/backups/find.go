package backups

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/packed"
)

// Options say where backups are looked for.
type Options struct {
	Paths []string
	Skip  []string // folders that are looked at otherwise, such as the data directory itself
	// MostFiles bounds how many files and folders are looked at; 0: a hundred thousand.
	MostFiles int
	// Unasked: nobody said that there are backups, so that what cannot be looked at is no gap.
	Unasked bool
	Trail   *evidence.Trail
}

// deepest is how many folders below a path are looked into.
const deepest = 10

// Find finds the backups in files and folders, by what is in them.
func Find(ctx context.Context, options Options) ([]Backup, []evidence.Gap, error) {
	f := &finder{options: options, left: options.MostFiles}
	if f.left == 0 {
		f.left = 100_000
	}
	for _, path := range options.Paths {
		if err := f.path(ctx, path, 0); err != nil {
			return nil, nil, err
		}
	}
	if options.Unasked {
		f.gaps = nil
	} else if f.unseen > 0 {
		f.gap(strings.Join(options.Paths, ", "), "files", "there are more than are looked at in a triage", "backups among them are not known")
	}
	slices.SortStableFunc(f.found, func(a, b Backup) int { return strings.Compare(a.Path, b.Path) })
	return f.found, f.gaps, nil
}

type finder struct {
	options Options
	left    int
	unseen  int
	found   []Backup
	gaps    []evidence.Gap
}

func (f *finder) gap(where, what, why, consequence string) {
	f.gaps = append(f.gaps, evidence.Gap{Where: where, What: what, Why: why, Consequence: consequence})
}

// path looks at a file or a folder. Links are followed only where somebody named them.
func (f *finder) path(ctx context.Context, path string, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.left--; f.left < 0 {
		f.unseen++
		return nil
	}
	stat := os.Lstat
	if depth == 0 {
		stat = os.Stat
	}
	info, err := stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && depth > 0: // it went away
		return nil
	case err != nil:
		f.gap(path, "the whole file", cause(err), "it may be a backup")
		return nil
	case info.Mode().IsRegular():
		f.file(path, info)
		return nil
	case !info.IsDir() || slices.ContainsFunc(f.options.Skip, func(other string) bool { return same(info, other) }):
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		f.gap(path, "the folder", cause(err), "backups in it are not known")
		return nil
	}
	if f.folder(path, entries) {
		return nil
	}
	if depth == deepest {
		f.unseen += len(entries)
		return nil
	}
	for _, entry := range entries {
		if err := f.path(ctx, filepath.Join(path, entry.Name()), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func same(info fs.FileInfo, path string) bool {
	other, err := os.Stat(path)
	return err == nil && os.SameFile(info, other)
}

// cause is what was wrong, without the path.
func cause(err error) string {
	var where *fs.PathError
	if errors.As(err, &where) {
		return where.Err.Error()
	}
	return err.Error()
}

// folder takes a folder that is a backup as a whole.
func (f *finder) folder(path string, entries []fs.DirEntry) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name })
	}
	switch {
	case has("toc.dat"):
		f.directoryArchive(path)
	case has("PG_VERSION") && has("global"):
		f.cluster(path, has("backup_label") || has("backup_manifest"))
	case has("backup") && has("archive"):
		return f.pgBackRest(path)
	case has("base") && f.barman(path):
	case slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), "basebackups_") }):
		f.walG(path, entries)
	case has("backup_manifest"):
		f.tarBase(path, entries)
	default:
		return false
	}
	return true
}

// file takes a file that is a backup.
func (f *finder) file(path string, info fs.FileInfo) {
	file, err := evidence.Open(path)
	if err != nil {
		f.gap(path, "the whole file", cause(err), "it may be a backup")
		return
	}
	defer file.Close()
	b := Backup{Path: path, Bytes: info.Size(), Modified: info.ModTime().UTC()}
	head, err := io.ReadAll(io.LimitReader(file, packed.HeadSize))
	if err != nil {
		f.gap(path, "the whole file", cause(err), "it may be a backup")
		return
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return
	}
	kind := packed.KindOf(head)
	reader, err := packed.NewReader(file, kind, packed.Logs())
	if err != nil {
		return // nothing can be read of it, so nobody knows whether it is one
	}
	defer reader.Close()
	content, err := io.ReadAll(io.LimitReader(reader, contentHead))
	if err != nil && len(content) == 0 {
		return
	}
	rest := io.MultiReader(bytes.NewReader(content), reader)
	switch {
	case bytes.HasPrefix(content, []byte(archiveMagic)):
		b.Kind, b.Format = Archive, "custom"
		err = readArchive(rest, &b)
	case isSQL(content):
		b.Kind, b.Format = SQL, "text"
		_, err = readSQL(rest, &b)
	case len(content) > 262 && string(content[257:262]) == "ustar":
		if !readTar(rest, &b) {
			return
		}
	default:
		return
	}
	if kind != packed.None {
		b.Format += ", " + string(kind)
	}
	if err != nil {
		b.Broken = err.Error()
	}
	// Only its head was read, so it is no part of the case's evidence yet.
	f.found = append(f.found, b)
}

// contentHead is how much of a file's content is looked at to know what it is.
const contentHead = 4 << 10

// isSQL recognises what pg_dump and pg_dumpall begin with.
func isSQL(head []byte) bool {
	text := string(head)
	return strings.Contains(text, "-- PostgreSQL database dump") || strings.Contains(text, "-- PostgreSQL database cluster dump")
}

// directoryArchive takes a folder that pg_dump -Fd made.
func (f *finder) directoryArchive(path string) {
	toc := filepath.Join(path, "toc.dat")
	file, err := evidence.Open(toc)
	if err != nil {
		f.gap(toc, "the table of contents", cause(err), "it may be a backup")
		return
	}
	defer file.Close()
	b := Backup{Path: path, Kind: Archive, Format: "directory", Bytes: sizeOf(path)}
	if info, err := file.Stat(); err == nil {
		b.Modified = info.ModTime().UTC() // pg_dump writes it last
	}
	if err := readArchive(file, &b); err != nil {
		if errors.Is(err, errNoArchive) {
			return
		}
		b.Broken = err.Error()
	}
	f.options.Trail.Note(toc, evidence.KindBackup)
	f.found = append(f.found, b)
}

// sizeOf adds the files of a folder up.
func sizeOf(path string) (total int64) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return 0
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
	}
	return total
}

// small reads a small file of a backup; "": there is none.
func (f *finder) small(path string) string {
	file, err := evidence.Open(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.gap(path, "the whole file", cause(err), "what it says of a backup is not known")
		}
		return ""
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 4<<20))
	if err != nil {
		f.gap(path, "the whole file", cause(err), "what it says of a backup is not known")
		return ""
	}
	f.options.Trail.Note(path, evidence.KindBackup)
	return string(text)
}
