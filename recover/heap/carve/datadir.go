package carve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// relationFile matches the name of a segment of a relation's main fork.
func relationFile() *regexp.Regexp { return regexp.MustCompile(`^([1-9][0-9]*)(?:\.([1-9][0-9]*))?$`) }

// DataDir lists the relation files below a data directory, those of tablespaces
// included. It needs no catalog and no pg_control.
func DataDir(dir string) ([]Source, error) {
	var sources []Source
	name := relationFile()
	add := func(folder string, tablespace, database pg.OID) error {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			parts := name.FindStringSubmatch(entry.Name())
			if parts == nil || !entry.Type().IsRegular() {
				continue
			}
			number, err := strconv.ParseUint(parts[1], 10, 32)
			segment, _ := strconv.ParseUint("0"+parts[2], 10, 15)
			if err != nil {
				continue
			}
			sources = append(sources, Source{
				Path: filepath.Join(folder, entry.Name()), Named: true, Segment: int(segment),
				File: pg.RelFileLocator{Tablespace: tablespace, Database: database, Relation: pg.RelFileNumber(number)},
			})
		}
		return nil
	}
	err := eachDatabase(filepath.Join(dir, "base"), pg.DefaultTablespace, add)
	if err != nil {
		return nil, openError(dir, err)
	}
	if err := add(filepath.Join(dir, "global"), pg.GlobalTablespace, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, openError(dir, err)
	}
	spaces, err := filepath.Glob(filepath.Join(dir, "pg_tblspc", "*", "PG_*"))
	if err != nil {
		return nil, openError(dir, err)
	}
	for _, space := range spaces {
		oid, err := strconv.ParseUint(filepath.Base(filepath.Dir(space)), 10, 32)
		if err != nil {
			continue
		}
		if err := eachDatabase(space, pg.OID(oid), add); err != nil {
			return nil, openError(dir, err)
		}
	}
	slices.SortFunc(sources, func(a, b Source) int { return a.compare(&b) })
	return sources, nil
}

func (s *Source) compare(o *Source) int {
	if c := s.File.Compare(o.File); c != 0 {
		return c
	}
	return s.Segment - o.Segment
}

func openError(dir string, err error) error {
	return &evidence.Error{
		Op: "carve: list relation files", Place: dir, Err: err,
		Hint: "name the data directory, which holds base and global, or name files",
	}
}

// eachDatabase calls add for the folder of each database.
func eachDatabase(parent string, tablespace pg.OID, add func(string, pg.OID, pg.OID) error) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		database, err := strconv.ParseUint(entry.Name(), 10, 32)
		if err != nil || !entry.IsDir() {
			continue
		}
		if err := add(filepath.Join(parent, entry.Name()), tablespace, pg.OID(database)); err != nil {
			return err
		}
	}
	return nil
}

// ErrFolder tells that a folder was named where files are looked through.
var ErrFolder = errors.New("it is a folder")

// File makes a source of a path that a person named: an image, a device, or a
// relation file.
func File(path string) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Source{}, fmt.Errorf("carve: open: %w", err)
	}
	if info.IsDir() {
		return Source{}, &evidence.Error{
			Op: "carve: open", Place: path, Err: ErrFolder, Hint: "name files, or a data directory with --pgdata",
		}
	}
	source := Source{Path: path}
	if parts := relationFile().FindStringSubmatch(filepath.Base(path)); parts != nil {
		source.Named = true
		source.Segment, _ = strconv.Atoi(strings.TrimSpace("0" + parts[2]))
	}
	return source, nil
}
