package applog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/logparse/pyrepr"
)

// asText writes messages as the backend does where it logs text, with what else stands in such a log between them, and
// each line as Docker Desktop shows it in New York.
func asText(t *testing.T, messages []string) string {
	t.Helper()
	viewer, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2025, 9, 15, 20, 18, 41, 927e6, time.UTC)
	var text strings.Builder
	put := func(lines string) {
		for line := range strings.SplitSeq(lines, "\n") {
			fmt.Fprintf(&text, "%s | %s\n", now.In(viewer).Format("2006-01-02 15:04:05.000"), line)
		}
	}
	for i, message := range messages {
		now = now.Add(7 * time.Millisecond)
		put(fmt.Sprintf("%s - app.services.data_import - INFO - %s", strings.Replace(now.Format("2006-01-02 15:04:05.000"), ".", ",", 1), message))
		switch i % 4 {
		case 0:
			put("INFO:     10.0.0.9:5000 - \"GET /health HTTP/1.1\" 200 OK")
		case 1:
			put("╭──── Crew ────╮\n│ 'OS': 'x',   │\n╰──────────────╯")
		case 2:
			put("\nLiteLLM completion() model= x; provider = y")
		}
	}
	return text.String()
}

// asJSON writes them as it does in production.
func asJSON(messages []string) string {
	var text strings.Builder
	for i, message := range messages {
		message = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "🔍", `\ud83d\udd0d`).Replace(message)
		fmt.Fprintf(&text, `{"timestamp": "2025-10-07T18:22:%02d.123456", "level": "INFO", "logger": "app.x", "message": "%s", "trace_id": "t1", "module": "wrapper", "function": "_log", "line": 7, "context": {"client_account_id": "%s"}}`+"\n", i%60, message, client)
	}
	return text.String()
}

// TestAnImportFromItsLog: from the bytes of a log to the import, its ids, its counts and its rows, in both formats.
func TestAnImportFromItsLog(t *testing.T) {
	t.Parallel()
	messages := strings.Split(strings.TrimSpace(anImport(client, imported, flow, "2")), "\n")
	messages = append(messages,
		"✅ Import transaction committed successfully", "🔥🔥🔥 CREWAI DISCOVERY FLOW INITIALIZATION - FLOW ID: "+flow+" 🔥🔥🔥",
		"🔍 DEBUG: First record sample: {'Server Name': 'web', 'Auth': '[REDACTED]s basic', 'OS': None}",
		"🔍 DEBUG: Parsed JSON: {\n  \"file_data\": [\n    {\n      \"Server Name\": \"web\"\n    },\n    {\n      \"Server Name\": \"d}b\"\n    }\n  ]\n}",
	)
	messages = append(messages, strings.Split(strings.TrimSpace(strings.ReplaceAll(ofAssets, "FLOW", flow)), "\n")...)
	for name, text := range map[string]string{"text": asText(t, messages), "JSON": asJSON(messages)} {
		source := recognised(t, text, Detector{})
		pack, chain := discoveryPack(t), NewChain()
		var match Match
		matched := 0
		for entry, err := range source.Entries(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			if pack.Match(entry, &match) {
				matched++
				chain.Add(entry, &match)
			}
		}
		if matched != len(messages) || len(chain.Imports) != 1 {
			t.Errorf("%s in %q: %d of %d messages, %d imports", name, source.Format, matched, len(messages), len(chain.Imports))
			continue
		}
		i := chain.Imports[0]
		if i.ID != imported || i.Rows != 2 || i.Fate != FateCommitted || len(i.Assets) != 3 || !slices.Equal(i.Headers, []string{"Server Name", "OS"}) || len(i.Values) != 2 {
			t.Errorf("%s: %+v", name, i)
			continue
		}
		row, _, err := pyrepr.Parse(i.Values[0].Known.Text)
		auth, ok := row.Get("Auth")
		if err != nil || !ok || !Read(auth.Text).Fits("kerberos basic") || Read(auth.Text).Fits("password basic") {
			t.Errorf("%s: %+v, %v", name, row, err)
		}
		if body := i.Values[1].Known.Text; !strings.HasSuffix(body, "\n}") || strings.Count(body, "Server Name") != 2 {
			t.Errorf("%s: %q", name, body)
		}
		if place := i.Values[1].Place; name == "text" && (place.Lines != 10 || place.Line == 0) {
			t.Errorf("%s: %+v", name, place)
		}
	}
}
