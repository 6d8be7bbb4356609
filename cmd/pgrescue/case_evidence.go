package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
)

// The parts of a case's evidence that commands read when nothing else is named. `preserve`
// makes them, or a person does with cp.
const (
	capturedFolder = "evidence"
	capturedData   = "data"
)

// capturedWAL are the folders with WAL, in the order in which they were copied.
func capturedWAL() []string {
	return []string{"wal-first", filepath.Join(capturedData, "pg_wal"), "wal-last"}
}

// orOfCase names the evidence that the case holds, for a command that was given neither a data
// directory nor WAL.
func (o *sourceOptions) orOfCase(terminal *term.Terminal, found *recorder) {
	if found == nil || o.dataDir != "" || len(o.wal) > 0 {
		return
	}
	evidence := filepath.Join(found.file.Dir(), capturedFolder)
	data := filepath.Join(evidence, capturedData)
	if info, err := os.Stat(data); err != nil || !info.IsDir() {
		return
	}
	o.dataDir, o.captured = data, true
	var names []string
	for _, name := range capturedWAL() {
		if folder := filepath.Join(evidence, name); holdsFile(folder) {
			o.wal, names = append(o.wal, folder), append(names, name)
		}
	}
	wal := "no WAL"
	if len(names) > 0 {
		wal = "WAL from " + strings.Join(names, ", ")
	}
	terminal.Infof("evidence of the case: %s, with %s", data, wal)
}

// holdsFile reports whether a folder holds a file: an empty one would be WAL that cannot be read.
func holdsFile(folder string) bool {
	entries, err := os.ReadDir(folder)
	return err == nil && slices.ContainsFunc(entries, func(entry os.DirEntry) bool { return entry.Type().IsRegular() })
}

// needPaths refuses a command line that reads WAL and names none.
func (o *sourceOptions) needPaths(command string) error {
	if len(o.wal) == 0 && !o.captured {
		return exitcode.Usagef("name a data directory, a directory with WAL segments, or segment files; a case whose folder evidence/data is filled needs no PATH",
			"pgrescue %s: no PATH is named", command)
	}
	return nil
}
