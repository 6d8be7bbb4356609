package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// walFetchCase: a case knows the server that was asked, and every file that it
// filled, but not the password.
func walFetchCase(t *testing.T, dsn, folder string) {
	kase := filepath.Join(t.TempDir(), "case")
	code, _, stderr := execute(t.Context(), "wal", "fetch", "--dsn", dsn, "-o", folder, "--case", kase)
	if code != exitcode.Done {
		t.Fatalf("code %d\n%s", code, stderr)
	}
	shown := showCase(t, kase)
	servers, files := 0, 0
	for _, f := range shown.Evidence {
		switch {
		case f.Kind == casefile.KindServer && strings.HasPrefix(f.Path, "replicator@127.0.0.1:"):
			servers++
		case f.Kind == string(evidence.KindWAL) && filepath.Dir(f.Path) == folder && f.SHA256 != "":
			files++
		default:
			t.Errorf("unexpected evidence: %+v", f)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if servers != 1 || files != len(entries) || files < 2 || shown.SystemIdentifier == "" {
		t.Errorf("%d servers, %d of %d files, system identifier %q", servers, files, len(entries), shown.SystemIdentifier)
	}
	journal, err := os.ReadFile(filepath.Join(kase, casefile.JournalName))
	if err != nil || strings.Contains(string(journal), "Geh1im") || !strings.Contains(string(journal), "password=***") {
		t.Errorf("the journal says: %s (%v)", journal, err)
	}
	if code, stdout, stderr := execute(t.Context(), "case", "verify", "--case", kase); code != exitcode.Done {
		t.Errorf("case verify: code %d\n%s%s", code, stdout, stderr)
	}
}
