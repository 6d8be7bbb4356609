package main

import (
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/preserve"
)

// orOfCase names the evidence that the case holds, for a command that was given neither a data
// directory nor WAL. `preserve` made it, or a person did with cp.
func (o *sourceOptions) orOfCase(terminal *term.Terminal, found *recorder) {
	if found == nil || o.dataDir != "" || len(o.wal) > 0 {
		return
	}
	folder := evidenceFolder(found)
	data, log := preserve.Evidence(folder)
	if data == "" {
		return
	}
	o.dataDir, o.wal, o.captured = data, log, true
	var names []string
	for _, path := range log {
		name, _ := filepath.Rel(folder, path) // it lies in it
		names = append(names, name)
	}
	said := "no WAL"
	if len(names) > 0 {
		said = "WAL from " + strings.Join(names, ", ")
	}
	terminal.Infof("evidence of the case: %s, with %s", data, said)
}

// evidenceFolder is the folder of the case with the evidence.
func evidenceFolder(found *recorder) string {
	return filepath.Join(found.file.Dir(), casefile.EvidenceFolder)
}

// needPaths refuses a command line that reads WAL and names none.
func (o *sourceOptions) needPaths(command string) error {
	if len(o.wal) == 0 && !o.captured {
		return exitcode.Usagef("name a data directory, a directory with WAL segments, or segment files; a case whose folder evidence/data is filled needs no PATH",
			"pgrescue %s: no PATH is named", command)
	}
	return nil
}
