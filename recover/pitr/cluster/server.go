package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// StopMode says how a server is told to stop, in the words of pg_ctl.
type StopMode int

// The stop modes.
const (
	// Fast ends all sessions, writes a checkpoint and stops.
	Fast StopMode = iota
	// Smart waits until the last session has left, then does as Fast.
	Smart
	// Immediate stops without a checkpoint, as a crash does: the next start
	// recovers from WAL.
	Immediate
)

// String is the name that pg_ctl uses.
func (m StopMode) String() string {
	switch m {
	case Smart:
		return "smart"
	case Immediate:
		return "immediate"
	default:
		return "fast"
	}
}

// signal is what the postmaster takes the mode from (postmaster.c).
func (m StopMode) signal() syscall.Signal {
	switch m {
	case Smart:
		return syscall.SIGTERM
	case Immediate:
		return syscall.SIGQUIT
	default:
		return syscall.SIGINT
	}
}

const (
	readyWithin  = 60 * time.Second // crash recovery of a big cluster takes a while
	killAfter    = 15 * time.Second // from the immediate stop at the end of a context
	portAttempts = 5
)

// server is one run of the postmaster.
type server struct {
	cmd  *exec.Cmd
	port int           // TCP port, or socketPort
	done chan struct{} // closed when the postmaster has ended
	err  error         // why it ended, valid after done
}

// errPortTaken: somebody else took the free port before the server could.
var errPortTaken = errors.New("the port was taken")

// Start starts the server and returns when it takes connections. The server
// lives no longer than ctx: when ctx ends it is stopped as by Immediate. A
// cluster can be started again after Stop.
func (c *Cluster) Start(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := c.startOnce(ctx)
		if errors.Is(err, errPortTaken) && attempt < portAttempts {
			continue
		}
		if err != nil {
			return &evidence.Error{Op: "cluster: start server in", Place: c.dir, Err: err}
		}
		return nil
	}
}

func (c *Cluster) startOnce(ctx context.Context) error {
	if c.running() != nil {
		return errors.New("it runs already")
	}
	srv, err := c.launch(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.server = srv
	c.mu.Unlock()
	if err := c.awaitReady(ctx, srv); err != nil {
		tail := c.LogTail(8)
		if stopErr := c.Stop(context.WithoutCancel(ctx), Immediate); stopErr != nil {
			err = errors.Join(err, stopErr)
		}
		if strings.Contains(tail, "could not create any TCP/IP sockets") {
			return errPortTaken
		}
		return fmt.Errorf("%w; the server's log ends with:\n%s", err, tail)
	}
	return nil
}

// launch starts the postmaster as a child, so that its pid is ours for sure.
func (c *Cluster) launch(ctx context.Context) (*server, error) {
	srv := &server{port: socketPort, done: make(chan struct{})}
	args := []string{
		"-D", c.DataDir(),
		"-c", "unix_socket_directories=" + c.socketDir(),
		"-c", "hba_file=" + c.hbaPath(),
		"-c", "logging_collector=" + c.collect,
	}
	listen := ""
	if c.tcp {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		srv.port, listen = port, "127.0.0.1"
	}
	args = append(args, "-c", "listen_addresses="+listen, "-p", strconv.Itoa(srv.port))
	log, err := os.OpenFile(c.LogPath(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	srv.cmd = exec.CommandContext(ctx, filepath.Join(c.binDir, "postgres"), args...)
	srv.cmd.Stdout, srv.cmd.Stderr = log, log
	srv.cmd.Cancel = func() error { return srv.cmd.Process.Signal(Immediate.signal()) }
	srv.cmd.WaitDelay = killAfter
	c.prepare(srv.cmd)
	attach(srv.cmd)
	left, err := c.watchCollector(srv.cmd)
	if err != nil {
		return nil, err
	}
	err = srv.cmd.Start()
	for _, file := range srv.cmd.ExtraFiles {
		err = errors.Join(err, file.Close()) // the child has its own
	}
	if err != nil {
		return nil, err
	}
	go func() {
		srv.err = srv.cmd.Wait()
		left()
		close(srv.done)
	}()
	return srv, nil
}

// watchCollector gives a function that returns when the last process of the server has ended. That is the collector, which
// writes what is left when the postmaster has ended already. Nobody writes into the pipe: its end is the news.
func (c *Cluster) watchCollector(cmd *exec.Cmd) (left func(), err error) {
	if c.collect != "on" {
		return func() {}, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{w}
	return func() {
		_, _ = io.Copy(io.Discard, r)
		_ = r.Close()
	}, nil
}

// awaitReady connects until the server lets it, with growing pauses.
func (c *Cluster) awaitReady(ctx context.Context, srv *server) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		conn, err := pgx.Connect(ctx, c.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		timer := time.NewTimer(pause)
		select {
		case <-srv.done:
			timer.Stop()
			return fmt.Errorf("the server ended before it was ready: %w", errOr(srv.err, "exit status 0"))
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("the server was not ready in time: %w", errors.Join(ctx.Err(), err))
		case <-timer.C:
		}
	}
}

// errOr gives err, or an error of that text where there is none.
func errOr(err error, text string) error {
	if err == nil {
		return errors.New(text)
	}
	return err
}

// Running reports whether the server runs.
func (c *Cluster) Running() bool { return c.running() != nil }

// PID is the postmaster's process id, 0 while stopped.
func (c *Cluster) PID() int {
	if srv := c.running(); srv != nil {
		return srv.cmd.Process.Pid
	}
	return 0
}

func (c *Cluster) running() *server {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return nil
	}
	select {
	case <-c.server.done:
		c.server = nil
	default:
	}
	return c.server
}

// Stop stops the server and waits until it has ended; ctx bounds the waiting. It
// is no error to stop a stopped cluster.
func (c *Cluster) Stop(ctx context.Context, mode StopMode) error {
	srv := c.running()
	if srv == nil {
		return nil
	}
	if err := srv.cmd.Process.Signal(mode.signal()); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cluster: stop server (%s): %w", mode, err)
	}
	select {
	case <-srv.done:
		c.running() // forgets the ended server
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cluster: stop server (%s): it still runs: %w", mode, ctx.Err())
	}
}

// Crash stops the server at once, without a checkpoint: pages that were not
// written to their files stay unwritten.
func (c *Cluster) Crash(ctx context.Context) error { return c.Stop(ctx, Immediate) }

// prepare makes cmd run as the server's user, in a folder that user can enter,
// and without the caller's libpq environment.
func (c *Cluster) prepare(cmd *exec.Cmd) {
	cmd.Dir = c.dir
	cmd.Env = serverEnvironment(os.Environ())
	c.owner.lend(cmd)
}

// serverEnvironment drops what would bend a server or initdb: PG… and LC_….
func serverEnvironment(environ []string) []string {
	kept := make([]string, 0, len(environ)+1)
	for _, entry := range environ {
		if strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") || strings.HasPrefix(entry, "LANG") {
			continue
		}
		kept = append(kept, entry)
	}
	return append(kept, "LC_ALL=C")
}

// freePort asks the system for a free loopback port. Another process may take it
// before the server does; Start tries again then.
func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	addr, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("find a free port: %s is no TCP address", listener.Addr())
	}
	return addr.Port, nil
}
