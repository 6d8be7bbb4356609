package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// BaseBackup makes a base backup in the folder dst with pg_basebackup, as the server's user,
// who has to be able to enter the folder that dst lies in. dst is made.
func (c *Cluster) BaseBackup(ctx context.Context, dst string) error {
	err := os.Mkdir(dst, 0o700)
	if err == nil {
		err = c.owner.take(dst)
	}
	if err != nil {
		return fmt.Errorf("cluster: make base backup: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.binDir, "pg_basebackup"), "-d", c.LibpqDSN("postgres"), "-D", dst, "-X", "stream", "-c", "fast")
	c.prepare(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cluster: make base backup in %s: %w: %s", dst, err, lastLines(string(out), 5))
	}
	return nil
}

// Replace puts another data directory in the place of that of a stopped cluster, as somebody
// does who restores a backup, and removes what was there.
func (c *Cluster) Replace(dir string) error {
	if c.running() != nil {
		return errors.New("cluster: replace data directory: the server runs")
	}
	err := os.RemoveAll(c.DataDir())
	if err == nil {
		err = os.Rename(dir, c.DataDir())
	}
	if err != nil {
		return fmt.Errorf("cluster: replace data directory: %w", err)
	}
	return nil
}
