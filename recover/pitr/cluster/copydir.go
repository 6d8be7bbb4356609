package cluster

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// CopyDataDir copies the data directory to the folder dst, which is made, as
// `cp -R` does: the copy belongs to the caller. While the server runs, files may
// vanish or change under the copy, as they do for a responder; postmaster.pid is
// copied too then.
func (c *Cluster) CopyDataDir(dst string) error { return copyFolder(c.DataDir(), dst) }

// CopyWAL copies pg_wal alone to the folder dst, which is made.
func (c *Cluster) CopyWAL(dst string) error { return copyFolder(c.WALDir(), dst) }

func copyFolder(src, dst string) error {
	err := filepath.WalkDir(src, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != src {
			return nil // a running server removed it
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		err = copyEntry(path, filepath.Join(dst, rel), entry)
		if errors.Is(err, fs.ErrNotExist) && !entry.IsDir() {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cluster: copy %s to %s: %w", src, dst, err)
	}
	return nil
}

func copyEntry(src, dst string, entry fs.DirEntry) error {
	switch {
	case entry.IsDir():
		return os.MkdirAll(dst, 0o755)
	case entry.Type() == fs.ModeSymlink:
		target, err := os.Readlink(src)
		if err != nil {
			return err
		}
		return os.Symlink(target, dst)
	case entry.Type().IsRegular():
		return copyFile(src, dst)
	default: // sockets and the like hold nothing
		return nil
	}
}

func copyFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
