// Package clustertest gives tests a throwaway cluster that is gone when the test
// is. A missing server fails the test; it never skips it.
package clustertest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

// DefaultVersion is the major version that tests run on unless they name one.
const DefaultVersion = "15"

// Versions are the major versions that pgrescue decodes, oldest first. `make test`
// installs a server of each.
func Versions() []string { return []string{"12", "13", "14", "15", "16", "17", "18"} }

// EachVersion runs a test once for each of Versions; with -short, as the race
// detector runs them, for the default only: no version has goroutines of its own.
func EachVersion(t *testing.T, run func(t *testing.T, version string)) {
	t.Helper()
	versions := Versions()
	if testing.Short() {
		versions = []string{DefaultVersion}
	}
	for _, version := range versions {
		t.Run("pg"+version, func(t *testing.T) { run(t, version) })
	}
}

// MustRunVariable is set to any value where a missing server is the fault of the
// machine and not of the person who runs the tests. CI counts as set.
const MustRunVariable = "PGRESCUE_TEST_MUST_RUN"

// Start makes and starts a cluster, and stops and removes it when the test ends.
// Unless opts says otherwise it is of DefaultVersion and has autovacuum off, so
// that dead tuples stay where the test put them.
func Start(t testing.TB, opts cluster.Options) *cluster.Cluster {
	t.Helper()
	c := New(t, opts)
	// The server outlives t.Context, which ends before the cleanups run.
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatalf("start cluster: %v", err)
	}
	return c
}

// New makes a cluster as Start does, but does not start it.
func New(t testing.TB, opts cluster.Options) *cluster.Cluster {
	t.Helper()
	if opts.Version == "" && opts.BinDir == "" {
		opts.Version = DefaultVersion
	}
	settings := map[string]string{"autovacuum": "off"}
	for name, value := range opts.Settings {
		settings[name] = value
	}
	opts.Settings = settings
	c, err := cluster.New(context.WithoutCancel(t.Context()), opts)
	if err != nil {
		t.Fatalf("make cluster: %s", explain(err))
	}
	t.Cleanup(func() {
		if t.Failed() && testing.Verbose() {
			t.Logf("the server's log ends with:\n%s", c.LogTail(20))
		}
		if err := c.Remove(); err != nil {
			t.Errorf("remove cluster: %v", err)
		}
	})
	return c
}

// explain adds what a person can do to the error of a cluster that was not made.
func explain(err error) string {
	var lines []string
	lines = append(lines, err.Error())
	var detail *evidence.Error
	if errors.As(err, &detail) && detail.Hint != "" {
		lines = append(lines, "hint: "+detail.Hint)
	}
	if errors.Is(err, cluster.ErrNoServer) && (os.Getenv("CI") != "" || os.Getenv(MustRunVariable) != "") {
		lines = append(lines, "this machine must have a server: CI or "+MustRunVariable+" is set")
	}
	return strings.Join(lines, "\n")
}

// Snapshot copies the cluster's data directory to a folder that is removed with
// the test, and returns the folder.
func Snapshot(t testing.TB, c *cluster.Cluster) string {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "data")
	if err := c.CopyDataDir(dst); err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	return dst
}

// Exec runs SQL texts in one session, as Cluster.Exec does, and fails the test on an error.
func Exec(t testing.TB, c *cluster.Cluster, db string, sql ...string) {
	t.Helper()
	if err := c.Exec(t.Context(), db, sql...); err != nil {
		t.Fatal(err)
	}
}

// CopyOut gives the rows of a query in COPY's text format, and fails the test on an error.
func CopyOut(t testing.TB, c *cluster.Cluster, db, query string) string {
	t.Helper()
	out, err := c.CopyOut(t.Context(), db, query)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Value gives the first column of a query's first row as text, and fails the test on an error.
func Value(t testing.TB, c *cluster.Cluster, db, query string) string {
	t.Helper()
	value, err := c.Value(t.Context(), db, query)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
