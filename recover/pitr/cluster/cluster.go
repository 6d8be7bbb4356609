// Package cluster runs throwaway PostgreSQL clusters: a server of one's own, in
// a folder of one's own, that leaves nothing behind.
//
//   - Cluster: one data directory made by initdb, and the server that runs on it
//     while it is started. As in PostgreSQL, a cluster is one server's databases.
//   - Locate: finds the folder with initdb and postgres of a major version.
//   - StopMode: smart, fast or immediate, as pg_ctl names them.
//   - Crash: an immediate stop; pages that were not written stay unwritten.
//   - Scenario: a table row of tests: what is prepared, what destroys it, which
//     snapshots are taken.
//
// A server listens on a socket in a folder that only its own user can enter, and
// on the loopback address only when Options.TCP asks for it. PostgreSQL refuses
// to run as root; when the caller is root, the server runs as the user postgres,
// or nobody where that user does not exist. A caller that is killed takes its
// server with it on Linux, but leaves the folder behind.
package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Superuser is the name of the role that initdb makes.
const Superuser = "postgres"

// socketPort names the socket file; it is a TCP port only with Options.TCP.
const socketPort = 5432

// Options say how a cluster is made. The zero value is a PostgreSQL of the
// newest version found, with fsync off, on a socket only.
type Options struct {
	// Version is the major version, such as "15"; empty means the newest found.
	Version string
	// BinDir is the folder with initdb and postgres; it overrides Version.
	BinDir string
	// Parent is the folder in which the cluster's own folder is made; empty means
	// the system's folder for temporary files. The server's user must be able to
	// walk through it.
	Parent string
	// Initdb are more arguments of initdb, such as "--data-checksums" or "--wal-segsize=1".
	Initdb []string
	// Settings are lines of postgresql.conf; they win over the defaults. They are
	// named as in the newest version: see olderSettings.
	Settings map[string]string
	// TCP lets the server listen on 127.0.0.1 at a free port too, with a password.
	TCP bool
	// Collector lets the server write its log files itself, in all forms that log_destination
	// names; the server's log that LogPath names ends where they begin.
	Collector bool
}

// Cluster is one throwaway cluster. Its methods may be called from several
// goroutines, but Start, Stop and Remove of one cluster come one after the other.
type Cluster struct {
	binDir   string
	dir      string // the cluster's own folder
	owner    *owner // the server's user, nil for the caller's own
	tcp      bool
	collect  string // logging_collector
	password string

	mu     sync.Mutex
	server *server // nil while stopped
}

// defaults make a throwaway server quick and its output the same everywhere.
// Durability is not wanted: an operating system that crashes takes the cluster
// with it, and a server that crashes loses nothing by fsync=off.
func defaults() map[string]string {
	return map[string]string{
		"fsync":                     "off",
		"shared_buffers":            "64MB",
		"max_connections":           "40",
		"max_wal_size":              "1GB",
		"timezone":                  "UTC",
		"log_timezone":              "UTC",
		"lc_messages":               "C",
		"log_line_prefix":           "%m [%p] %q%u@%d ",
		"max_prepared_transactions": "8",
	}
}

// New makes a cluster with initdb and does not start it. Remove it when done.
// Errors are an *evidence.Error with a hint when the server's programs are not
// there, and carry what initdb said when it fails.
func New(ctx context.Context, opts Options) (*Cluster, error) {
	binDir := opts.BinDir
	if binDir == "" {
		found, err := Locate(ctx, opts.Version)
		if err != nil {
			return nil, err
		}
		binDir = found
	}
	who, err := serverOwner()
	if err != nil {
		return nil, err
	}
	c := &Cluster{binDir: binDir, owner: who, tcp: opts.TCP, collect: "off", password: rand.Text()}
	if opts.Collector {
		c.collect = "on"
	}
	if err := c.makeFolders(opts.Parent); err != nil {
		return nil, err
	}
	if err := c.initdb(ctx, opts); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	return c, nil
}

// Start makes a cluster and starts it: New, then the method Start. The server
// lives no longer than ctx.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	c, err := New(ctx, opts)
	if err != nil {
		return nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, errors.Join(err, c.Remove())
	}
	return c, nil
}

// BinDir is the folder of the server's programs.
func (c *Cluster) BinDir() string { return c.binDir }

// WaldumpPath is the pg_waldump of the cluster's version.
func (c *Cluster) WaldumpPath() string { return filepath.Join(c.binDir, "pg_waldump") }

// Dir is the cluster's own folder; the data directory, the socket and the
// server's log lie in it.
func (c *Cluster) Dir() string { return c.dir }

// DataDir is the data directory. It belongs to the server's user, mode 0700.
func (c *Cluster) DataDir() string { return filepath.Join(c.dir, "data") }

// WALDir is pg_wal in the data directory.
func (c *Cluster) WALDir() string { return filepath.Join(c.DataDir(), "pg_wal") }

// LogPath is the server's log.
func (c *Cluster) LogPath() string { return filepath.Join(c.dir, "server.log") }

func (c *Cluster) socketDir() string { return filepath.Join(c.dir, "run") }

func (c *Cluster) hbaPath() string { return filepath.Join(c.dir, "pg_hba.conf") }

// makeFolders makes the cluster's own folder. It can be walked through, the
// folders in it belong to the server's user alone.
func (c *Cluster) makeFolders(parent string) error {
	dir, err := os.MkdirTemp(parent, "pgrescue-cluster-")
	if err != nil {
		return fmt.Errorf("cluster: make folder: %w", err)
	}
	c.dir = dir
	if err := c.fillFolder(); err != nil {
		return errors.Join(fmt.Errorf("cluster: make folder %s: %w", dir, err), os.RemoveAll(dir))
	}
	return nil
}

func (c *Cluster) fillFolder() error {
	if err := os.Chmod(c.dir, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{c.DataDir(), c.socketDir()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := c.owner.take(dir); err != nil {
			return err
		}
	}
	hba := "local all all trust\nlocal replication all trust\n"
	if c.tcp {
		hba += "host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"
	}
	if err := c.writeOwned(c.hbaPath(), hba); err != nil {
		return err
	}
	return c.writeOwned(c.LogPath(), "")
}

// writeOwned writes a file that belongs to the server's user.
func (c *Cluster) writeOwned(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return c.owner.take(path)
}

func (c *Cluster) initdb(ctx context.Context, opts Options) error {
	pwfile := filepath.Join(c.dir, "password")
	if err := c.writeOwned(pwfile, c.password+"\n"); err != nil {
		return fmt.Errorf("cluster: write password file: %w", err)
	}
	args := []string{
		"-D", c.DataDir(), "-U", Superuser, "--pwfile", pwfile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.binDir, "initdb"), append(args, opts.Initdb...)...)
	c.prepare(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return &evidence.Error{
			Op: "cluster: run initdb in", Place: c.DataDir(), Err: fmt.Errorf("%w: %s", err, lastLines(string(out), 5)),
			Hint: "the server's user must be able to enter the folder for temporary files and to run " + cmd.Path,
		}
	}
	if err := os.Remove(pwfile); err != nil {
		return fmt.Errorf("cluster: remove password file: %w", err)
	}
	settings := defaults()
	maps.Copy(settings, opts.Settings)
	return c.Configure(settings)
}

// Configure appends settings to postgresql.conf, where the last line of a name
// wins. They count from the next start, or a reload for those that allow it.
func (c *Cluster) Configure(settings map[string]string) error {
	path := filepath.Join(c.DataDir(), "postgresql.conf")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("cluster: change settings: %w", err)
	}
	settings = c.translated(settings)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := strings.ReplaceAll(settings[name], "'", "''")
		if _, err = fmt.Fprintf(f, "%s = '%s'\n", name, value); err != nil {
			break
		}
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cluster: change settings: %w", err)
	}
	return nil
}

// Remove stops the server at once, if it runs, and deletes the cluster's folder.
func (c *Cluster) Remove() error {
	err := c.Stop(context.Background(), Immediate)
	if removed := os.RemoveAll(c.dir); removed != nil {
		err = errors.Join(err, fmt.Errorf("cluster: remove %s: %w", c.dir, removed))
	}
	return err
}

// LogTail gives the last n lines of the server's log, for error messages.
func (c *Cluster) LogTail(n int) string {
	f, err := os.Open(c.LogPath())
	if err != nil {
		return ""
	}
	defer f.Close()
	const window = 64 << 10
	if info, err := f.Stat(); err == nil && info.Size() > window {
		if _, err := f.Seek(-window, io.SeekEnd); err != nil {
			return ""
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, window))
	if err != nil {
		return ""
	}
	return lastLines(string(text), n)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
