package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
)

// backend stands in for the application: it stores imports, and tells of them.
type backend struct {
	t  *testing.T
	mu sync.Mutex
	// drops is how many requests are stored without an answer.
	drops  int
	bodies []storedBody
}

type storedBody struct {
	Data     []map[string]any `json:"file_data"`
	Metadata struct {
		Filename string `json:"filename"`
	} `json:"metadata"`
	Context struct {
		Type string `json:"intended_type"`
	} `json:"upload_context"`
}

const (
	backendToken = "a-token-that-nobody-may-see"
	backendID    = "dddddddd-0000-4000-8000-000000000001"
)

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+backendToken || r.Header.Get("X-Client-Account-ID") != sceneClient || r.Header.Get("X-Engagement-ID") != sceneEngagement {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	answer := func(value any) {
		if err := json.NewEncoder(w).Encode(value); err != nil {
			b.t.Error(err)
		}
	}
	imports := []map[string]any{}
	for _, body := range b.bodies {
		imports = append(imports, map[string]any{"id": backendID, "filename": body.Metadata.Filename, "import_type": body.Context.Type, "total_records": len(body.Data), "status": "processing"})
	}
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/api/v1/data-import/store-import":
		var body storedBody
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			b.t.Error(err)
		}
		b.bodies = append(b.bodies, body)
		if b.drops > 0 {
			b.drops--
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		answer(map[string]any{"success": true, "data_import_id": backendID, "flow_id": backendID, "records_stored": len(body.Data)})
	case r.URL.Path == "/api/v1/data-import/imports":
		answer(map[string]any{"imports": imports})
	case strings.HasPrefix(r.URL.Path, "/api/v1/data-import/import/"):
		answer(map[string]any{"success": true, "data": b.bodies[0].Data, "import_metadata": imports[0]})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestImportThroughEndpoint: a look sends nothing; the records are sent once, also when the answer
// is lost, and not again by a second run; the token is nowhere.
func TestImportThroughEndpoint(t *testing.T) {
	b := &backend{t: t, drops: 1}
	server := httptest.NewServer(b)
	defer server.Close()
	folder := t.TempDir()
	path := filepath.Join(folder, "servers.csv")
	if err := os.WriteFile(path, []byte("Name,CPU Cores\nweb-1,4\nweb-2,8\nweb-3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGRESCUE_API_TOKEN", backendToken)
	line := []string{
		"import", "--no-case", "--via", "api", "--url", server.URL, "--client-account", sceneClient, "--engagement", sceneEngagement, "--category", "infrastructure", path,
	}
	run := func(code exitcode.Code, more ...string) string {
		t.Helper()
		got, stdout, stderr := execute(t.Context(), append(line[:len(line):len(line)], more...)...)
		if got != code {
			t.Fatalf("%v: code %d (%s), want %d\n%s%s", more, got, got, code, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, backendToken) {
			t.Error("the token was printed")
		}
		return stdout + stderr
	}
	run(exitcode.Findings)
	if len(b.bodies) != 0 {
		t.Fatal("a look sent something")
	}
	run(exitcode.Usage, "--apply")
	run(exitcode.Usage, "--apply", "--confirm", "elsewhere")
	out := run(exitcode.Findings, "--apply", "--confirm", "127.0.0.1")
	if len(b.bodies) != 1 || len(b.bodies[0].Data) != 2 || b.bodies[0].Metadata.Filename != "servers.csv" || b.bodies[0].Context.Type != "infrastructure" {
		t.Fatalf("the application got %+v\n%s", b.bodies, out)
	}
	if !strings.Contains(out, backendID) || !strings.Contains(out, "The application took the records") {
		t.Errorf("it said\n%s", out)
	}
	receipt, err := os.ReadFile(path + receiptSuffix)
	if err != nil || !strings.Contains(string(receipt), backendID) || strings.Contains(string(receipt), backendToken) {
		t.Errorf("the receipt is %s (%v)", receipt, err)
	}
	if out = run(exitcode.Findings, "--apply", "--confirm", "127.0.0.1", "--force"); len(b.bodies) != 1 || !strings.Contains(out, "there already, so nothing was sent") {
		t.Errorf("the second run: %d imports, and it said\n%s", len(b.bodies), out)
	}
	t.Setenv("PGRESCUE_API_TOKEN", "another")
	run(exitcode.Permission, "--apply", "--confirm", "127.0.0.1", "--force")
}
