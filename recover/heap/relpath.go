package heap

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// DataDir is a data directory. Its tablespaces lie where the links in pg_tblspc
// lead, unless Tablespaces says otherwise; where a link leads nowhere, as in a copy,
// a folder beside the data directory stands in: one with the name of the link's
// target, or with the tablespace's OID, such as tar base backups have. Trail, if not
// nil, remembers the files that are read.
type DataDir struct {
	Path        string
	Tablespaces map[pg.OID]string
	Trail       *evidence.Trail
}

// DatabasePath is the directory of a database in one of its tablespaces
// (GetDatabasePath in common/relpath.c). Outside the default tablespaces it lies in
// a directory that carries the version; PG_VERSION decides which one when several
// versions share a tablespace.
func (d DataDir) DatabasePath(tablespace, database pg.OID) (string, error) {
	switch tablespace {
	case pg.GlobalTablespace:
		return filepath.Join(d.Path, "global"), nil
	case pg.DefaultTablespace:
		return filepath.Join(d.Path, "base", fmt.Sprint(uint32(database))), nil
	}
	space, err := d.TablespacePath(tablespace)
	if err != nil {
		return "", openError(pg.RelFileLocator{Tablespace: tablespace, Database: database}, space, err)
	}
	return filepath.Join(space, fmt.Sprint(uint32(database))), nil
}

// TablespacePath is the directory of a tablespace that carries the version. The
// path beside an error is where it was looked for.
func (d DataDir) TablespacePath(tablespace pg.OID) (string, error) {
	if named, ok := d.Tablespaces[tablespace]; ok {
		version, err := d.tablespaceVersionDirectory(named)
		return filepath.Join(named, version), err
	}
	link := filepath.Join(d.Path, "pg_tblspc", fmt.Sprint(uint32(tablespace)))
	version, err := d.tablespaceVersionDirectory(link)
	if err == nil {
		return filepath.Join(link, version), nil
	}
	parent := filepath.Dir(d.Path)
	beside := []string{filepath.Join(parent, filepath.Base(link)), filepath.Join(parent, "pg_tblspc", filepath.Base(link))}
	if target, err := os.Readlink(link); err == nil {
		beside = append([]string{filepath.Join(parent, filepath.Base(target))}, beside...)
	}
	for _, folder := range beside {
		if version, err := d.tablespaceVersionDirectory(folder); err == nil {
			return filepath.Join(folder, version), nil
		}
	}
	return link, err
}

// RelationPath is the first file of a relation's main fork (GetRelationPath in
// common/relpath.c). The file need not exist.
func (d DataDir) RelationPath(loc pg.RelFileLocator) (string, error) {
	parent, err := d.DatabasePath(loc.Tablespace, loc.Database)
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, fmt.Sprint(uint32(loc.Relation))), nil
}

// DatabasePath is the method of a DataDir with nothing but a path.
func DatabasePath(dir string, tablespace, database pg.OID) (string, error) {
	return DataDir{Path: dir}.DatabasePath(tablespace, database)
}

// RelationPath is the method of a DataDir with nothing but a path.
func RelationPath(dir string, loc pg.RelFileLocator) (string, error) {
	return DataDir{Path: dir}.RelationPath(loc)
}

// OpenRelation is the method of a DataDir with nothing but a path.
func OpenRelation(dir string, loc pg.RelFileLocator) (*Relation, error) {
	return DataDir{Path: dir}.OpenRelation(loc)
}

// majorVersion is what PG_VERSION says; "" if it cannot be read.
func (d DataDir) majorVersion() string {
	f, err := d.Trail.Open(filepath.Join(d.Path, "PG_VERSION"), evidence.KindVersion)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 16))
	return strings.TrimSpace(string(text))
}

// tablespaceVersionDirectory finds PG_<major>_<catalog version> in a
// tablespace (TABLESPACE_VERSION_DIRECTORY in common/relpath.h).
func (d DataDir) tablespaceVersionDirectory(space string) (string, error) {
	entries, err := os.ReadDir(space)
	if err != nil {
		return "", err
	}
	prefix := "PG_"
	if major := d.majorVersion(); major != "" {
		prefix += major + "_"
	}
	found := ""
	for _, entry := range entries { // sorted: the last is the newest catalog version
		if strings.HasPrefix(entry.Name(), prefix) {
			found = entry.Name()
		}
	}
	if found == "" {
		return "", fmt.Errorf("no directory %s… in the tablespace: %w", prefix, fs.ErrNotExist)
	}
	return found, nil
}
