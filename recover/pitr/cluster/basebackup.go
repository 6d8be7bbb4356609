package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
)

// BaseBackup makes a base backup of the running server in the folder dst, which is made, with the
// functions that pg_basebackup stands on: not every folder of server programs has that one. pg_wal
// is in it, so that a server can start on it.
func (c *Cluster) BaseBackup(ctx context.Context, dst string) error {
	err := c.with(ctx, "postgres", func(conn *pgx.Conn) error {
		start, stop := "SELECT pg_backup_start('base', true)", "SELECT labelfile FROM pg_backup_stop()"
		if major, err := c.Major(); err != nil || major < "15" {
			start, stop = "SELECT pg_start_backup('base', true, false)", "SELECT labelfile FROM pg_stop_backup(false)"
		}
		if err := execAll(ctx, conn, start); err != nil {
			return err
		}
		if err := c.CopyDataDir(dst); err != nil {
			return err
		}
		label, err := queryValue(ctx, conn, stop)
		if err != nil {
			return err
		}
		// The WAL up to the end of the backup, in place of what was copied in the middle.
		wal := filepath.Join(dst, "pg_wal")
		return errors.Join(os.RemoveAll(wal), c.CopyWAL(wal), os.Remove(filepath.Join(dst, "postmaster.pid")),
			os.WriteFile(filepath.Join(dst, "backup_label"), []byte(label), 0o600))
	})
	if err != nil {
		return fmt.Errorf("cluster: make base backup in %s: %w", dst, err)
	}
	return nil
}

// Replace puts another data directory in the place of that of a stopped cluster, as somebody
// does who restores a backup, and removes what was there.
func (c *Cluster) Replace(dir string) error {
	if c.running() != nil {
		return errors.New("cluster: replace data directory: the server runs")
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, c.owner.take(path))
	})
	err = errors.Join(err, os.Chmod(dir, 0o700), os.RemoveAll(c.DataDir()))
	if err == nil {
		err = os.Rename(dir, c.DataDir())
	}
	if err != nil {
		return fmt.Errorf("cluster: replace data directory: %w", err)
	}
	return nil
}
