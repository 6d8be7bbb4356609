// Command incident makes the evidence of `pgrescue demo` anew from a real
// PostgreSQL 15:
//
//	go run ./cmd/internal/incident -o testdata/incident
//
// It starts a throwaway cluster, creates the tables of the discovery import
// path, lets five tenants live in them through the same transactions that the
// application would have run, runs a cleanup script against the tenant "demo",
// lets the others go on, and pulls the plug. What it writes is described in
// testdata/incident/README.md.
//
//   - tenant: a client account with its engagement, users and imports.
//   - import path: the transactions by which an uploaded file becomes assets.
//   - cleanup: the transactions that destroyed demo's rows, and those that tried.
//   - oracle: COPY's text of the doomed rows, taken just before the cleanup.
//   - logs: what the server and the backend of the application wrote meanwhile.
//   - truth: what the incident knows to be true, for tests to compare with.
//
// The content is the same in every run, as all of it comes from one seed. LSNs
// and times are those of the run, as they are the server's own; so are the
// transaction ids on another minor version.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "incident:", err)
		var detail *evidence.Error
		if errors.As(err, &detail) && detail.Hint != "" {
			fmt.Fprintln(os.Stderr, "hint:", detail.Hint)
		}
		os.Exit(1)
	}
}

// run makes the incident; messages go to log.
func run(ctx context.Context, args []string, log io.Writer) (err error) {
	flags := flag.NewFlagSet("incident", flag.ContinueOnError)
	flags.SetOutput(log)
	out := flags.String("o", "testdata/incident", "`folder` to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := cluster.Start(ctx, cluster.Options{
		Version:  "15",
		Initdb:   []string{"--wal-segsize=4", "--data-checksums"},
		Settings: serverSettings(), Collector: true,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Remove()) }()
	truth, backend, err := tell(ctx, c, *out, log)
	if err != nil {
		return err
	}
	return writeIncident(c, truth, backend, *out, log)
}

// serverSettings are those of the incident. Autovacuum is off and run by hand
// instead, so that it comes at the same place of the story every time.
func serverSettings() map[string]string {
	return map[string]string{
		"wal_level": "replica", "autovacuum": "off", "checkpoint_timeout": "1h", "wal_keep_size": "64MB",
		"max_connections": "20", "shared_buffers": "64MB", "bgwriter_lru_maxpages": "0",
		// What changes data is logged, without the words of transactions; whether it was kept, only the WAL says.
		"log_statement": "mod", "log_line_prefix": "%m [%p] %q%u@%d %a xid=%x ", "log_timezone": "UTC",
		"log_directory": "log", "log_filename": "postgresql.log", "log_rotation_age": "0", "log_rotation_size": "0",
	}
}
