package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

func newWALCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return newGroup(
		"wal", "What the write-ahead log says",
		`What the write-ahead log says. PATH is a data directory, a directory with WAL
segments, a segment file, a tar file of pg_basebackup, or an archive of pgBackRest,
WAL-G or Barman; compressed with gzip, zstd, lz4, xz, bzip2, brotli or lzma as they
are; several may be given, in any order. What is encrypted has to be decrypted first.`,
		`  pgrescue wal summary /copy/data
  pgrescue wal transactions /copy/data/pg_wal --pgdata /copy/data
  pgrescue wal target /copy/data/pg_wal --xid 742`,
		newWALFetchCommand(terminal, cases),
		newWALRowsCommand(terminal, cases),
		newWALSummaryCommand(terminal, cases),
		newWALTargetCommand(terminal, cases),
		newWALTransactionsCommand(terminal, cases),
	)
}

// openLog opens the WAL alone, and warns when a server still writes to it.
func (o *sourceOptions) openLog(ctx context.Context, terminal *term.Terminal, found *recorder) (*wal.Archive, error) {
	paths := o.wal
	if o.captured && len(paths) == 0 {
		paths = []string{o.dataDir}
	}
	for _, path := range paths {
		if filepath.Base(filepath.Clean(path)) == "pg_wal" {
			path = filepath.Dir(filepath.Clean(path))
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() && !o.captured {
			warnIfRunning(terminal, path)
		}
	}
	progress := &stages{terminal: terminal}
	archive, err := wal.OpenArchive(paths, wal.OpenOptions{
		Timeline: pg.TimelineID(o.timeline), Progress: progress.begin, Interrupted: ctx.Err, Trail: found.Trail(),
	})
	progress.end()
	if err != nil {
		return nil, libraryError(err)
	}
	if err := found.openedLog(archive); err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	return archive, nil
}
