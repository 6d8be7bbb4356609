package archives

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Problem is something that was found and cannot be used.
type Problem struct {
	Name string // of the file
	What string
	Why  string
}

// Store is what was found in all the places looked at.
type Store struct {
	Files    []*File
	Problems []Problem
	// Trail remembers the compressed tar files, which are read whole; may be nil.
	Trail *evidence.Trail
	// Progress, if not nil, is told of long work: the index of a tar file.
	Progress func(stage string, bytes int64) func(done int64)
	// Interrupted, if not nil, ends such work with its error.
	Interrupted func() error

	spools []*os.File
	byBase map[string][]*File
}

// Close closes the spools. No file of the store can be read afterwards.
func (s *Store) Close() error {
	var all error
	for _, spool := range s.spools {
		all = errors.Join(all, spool.Close())
	}
	s.spools = nil
	return all
}

// maxDepth bounds how deep folders are looked into; pgBackRest's are four deep.
const maxDepth = 6

// AddDirectory looks into a folder that an archiver or a server fills: the log
// files in it, those in the folders that layouts have, and the tar files of pg_basebackup.
func (s *Store) AddDirectory(path string) error { return s.addDirectory(path, 0, maxDepth) }

func (s *Store) addDirectory(path string, rank, depth int) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	rank = max(rank, rankOf(filepath.Base(path)))
	hasWALTar := slices.ContainsFunc(entries, func(e os.DirEntry) bool { return tarName(e.Name(), "pg_wal") })
	for _, entry := range entries {
		name, full := entry.Name(), filepath.Join(path, entry.Name())
		if _, isLog := ParseName(name); isLog {
			if err := s.addLogFile(full, rank); err != nil {
				s.problem(name, "the file cannot be opened", err)
			}
			continue
		}
		switch {
		case tarName(name, "pg_wal"), tarName(name, "base") && !hasWALTar:
			err = s.addTar(full)
		case depth > 0 && opensInto(path, name):
			err = s.addDirectory(full, rank, depth-1)
		default:
			continue
		}
		switch {
		case s.stopped(err):
			return err
		case err != nil:
			s.problem(name, "it cannot be read", err)
		}
	}
	return nil
}

// stopped reports whether an error is the interruption and not the file's.
func (s *Store) stopped(err error) bool {
	return err != nil && s.Interrupted != nil && s.Interrupted() != nil
}

func (s *Store) problem(name, what string, err error) {
	var detail *os.PathError
	if errors.As(err, &detail) {
		err = detail.Err
	}
	s.Problems = append(s.Problems, Problem{Name: name, What: what, Why: err.Error()})
}

// opensInto reports whether a folder is one in which a layout has log files.
func opensInto(parent, name string) bool {
	full := filepath.Join(parent, name)
	if info, err := os.Stat(full); err != nil || !info.IsDir() {
		return false
	}
	switch name {
	case "archive", "wals", "streaming", "wal_005": // pgBackRest, Barman twice, WAL-G
		return true
	}
	if upperHex(name, 16) || versionID.MatchString(name) {
		return true
	}
	for _, info := range []string{"archive.info", "archive.info.copy"} { // a stanza of pgBackRest
		if _, err := os.Stat(filepath.Join(full, info)); err == nil {
			return true
		}
	}
	return false
}

// tarName reports whether pg_basebackup gives such a name to a tar file.
func tarName(name, stem string) bool {
	rest, ok := strings.CutPrefix(name, stem+".tar")
	return ok && (rest == "" || slices.Contains(wrapSuffixes(), rest))
}

// AddFile adds a file that somebody named: a log file or a tar file. It reports
// whether the file is one.
func (s *Store) AddFile(path string) (bool, error) {
	if _, isLog := ParseName(filepath.Base(path)); isLog {
		return true, s.addLogFile(path, rankAbove(path))
	}
	isTar, err := s.sniffTar(path)
	if err != nil || !isTar {
		return false, err
	}
	return true, s.addTar(path)
}

// rankAbove is the rank that the folders above a file give it.
func rankAbove(path string) int {
	dir := filepath.Dir(path)
	return max(rankOf(filepath.Base(dir)), rankOf(filepath.Base(filepath.Dir(dir))))
}

func (s *Store) addLogFile(path string, rank int) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	name, _ := ParseName(filepath.Base(path))
	s.add(&File{
		Name: name, Path: path, Layout: layoutOf(path, name), Rank: rank, Info: info,
		at: extent{path: path, size: info.Size()}, holder: path,
	})
	return nil
}

// add adds a file unless the very same one was added before.
func (s *Store) add(f *File) {
	if slices.ContainsFunc(s.byBase[f.Base], f.Same) {
		return
	}
	if s.byBase == nil {
		s.byBase = map[string][]*File{}
	}
	s.byBase[f.Base] = append(s.byBase[f.Base], f)
	s.Files = append(s.Files, f)
}
