package carve

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// relationFile matches the name of a segment of a relation's main fork.
func relationFile() *regexp.Regexp { return regexp.MustCompile(`^([1-9][0-9]*)(?:\.([1-9][0-9]*))?$`) }

// DataDir lists the relation files of a data directory, those of tablespaces included.
// It needs no catalog and no pg_control. A tablespace that is not where its link leads
// is a gap.
func DataDir(data heap.DataDir) ([]Source, []evidence.Gap, error) {
	var sources []Source
	dir := data.Path
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
		return nil, nil, openError(dir, err)
	}
	if err := add(filepath.Join(dir, "global"), pg.GlobalTablespace, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, openError(dir, err)
	}
	var gaps []evidence.Gap
	for _, oid := range tablespaces(data) {
		space, err := data.TablespacePath(oid)
		if err == nil {
			err = eachDatabase(space, oid, add)
		}
		if err != nil {
			gaps = append(gaps, evidence.Gap{
				Where: space, What: fmt.Sprintf("tablespace %d", oid), Why: err.Error(), Consequence: "relation files in it are not looked at",
			})
		}
	}
	slices.SortFunc(sources, func(a, b Source) int { return a.compare(&b) })
	return sources, gaps, nil
}

// tablespaces lists those that pg_tblspc has or that were named.
func tablespaces(data heap.DataDir) []pg.OID {
	oids := slices.Collect(maps.Keys(data.Tablespaces))
	links, _ := os.ReadDir(filepath.Join(data.Path, "pg_tblspc")) // without it there are none
	for _, link := range links {
		if oid, err := strconv.ParseUint(link.Name(), 10, 32); err == nil {
			oids = append(oids, pg.OID(oid))
		}
	}
	slices.Sort(oids)
	return slices.Compact(oids)
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
	switch kind := info.Mode().Type(); {
	case info.IsDir():
		return Source{}, &evidence.Error{
			Op: "carve: open", Place: path, Err: ErrFolder, Hint: "name files, or a data directory with --pgdata",
		}
	case kind != 0 && kind != fs.ModeDevice: // a pipe would wait for ever, and /dev/zero has no end
		return Source{}, &evidence.Error{
			Op: "carve: open", Place: path, Err: evidence.ErrNotRegular, Hint: "name files or block devices",
		}
	}
	source := Source{Path: path}
	if parts := relationFile().FindStringSubmatch(filepath.Base(path)); parts != nil {
		source.Named = true
		source.Segment, _ = strconv.Atoi(strings.TrimSpace("0" + parts[2]))
	}
	return source, nil
}
