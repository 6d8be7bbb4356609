package heap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// DatabasePath is the directory of a database in one of its tablespaces, below
// the data directory dir (GetDatabasePath in common/relpath.c). Outside the
// default tablespaces it lies under pg_tblspc in a directory that carries the
// version; PG_VERSION decides which one when several versions share a tablespace.
func DatabasePath(dir string, tablespace, database pg.OID) (string, error) {
	switch tablespace {
	case pg.GlobalTablespace:
		return filepath.Join(dir, "global"), nil
	case pg.DefaultTablespace:
		return filepath.Join(dir, "base", fmt.Sprint(uint32(database))), nil
	}
	space := filepath.Join(dir, "pg_tblspc", fmt.Sprint(uint32(tablespace)))
	version, err := tablespaceVersionDirectory(dir, space)
	if err != nil {
		return "", openError(pg.RelFileLocator{Tablespace: tablespace, Database: database}, space, err)
	}
	return filepath.Join(space, version, fmt.Sprint(uint32(database))), nil
}

// RelationPath is the first file of a relation's main fork (GetRelationPath in
// common/relpath.c). The file need not exist.
func RelationPath(dir string, loc pg.RelFileLocator) (string, error) {
	parent, err := DatabasePath(dir, loc.Tablespace, loc.Database)
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, fmt.Sprint(uint32(loc.Relation))), nil
}

// tablespaceVersionDirectory finds PG_<major>_<catalog version> in a
// tablespace (TABLESPACE_VERSION_DIRECTORY in common/relpath.h).
func tablespaceVersionDirectory(dir, space string) (string, error) {
	entries, err := os.ReadDir(space)
	if err != nil {
		return "", err
	}
	prefix := "PG_"
	if major, err := os.ReadFile(filepath.Join(dir, "PG_VERSION")); err == nil {
		prefix += strings.TrimSpace(string(major)) + "_"
	}
	found := ""
	for _, entry := range entries { // sorted: the last is the newest catalog version
		if strings.HasPrefix(entry.Name(), prefix) {
			found = entry.Name()
		}
	}
	if found == "" {
		return "", errors.New("no directory " + prefix + "… in the tablespace")
	}
	return found, nil
}
