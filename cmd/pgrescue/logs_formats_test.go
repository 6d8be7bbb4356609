package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/pglog"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// The detectors of backends and of PostgreSQL are asked together. What a server wrote is never taken for an
// application's, nor the other way round: each alone, all in one folder, and two in one container.

// serverPrefixes are those that the logs are written with; the first log is written in all forms.
func serverPrefixes() []string {
	return []string{"%m [%p] ", "", "%t:%r:%u@%d:[%p]: ", "%m [%p] %q%u@%d ", "user=%u,db=%d,app=%a,client=%h ", "%n %c ", "< %m > ", "%t "}
}

// serverLogs runs a server that logs everything, one prefix after the other, and gives its logs by name.
func serverLogs(t *testing.T) map[string]string {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Version: "15", Collector: true, Settings: map[string]string{
		"log_directory": "log", "log_filename": "begin.log", "log_rotation_age": "0", "log_timezone": "UTC",
		"log_destination": "stderr,csvlog,jsonlog", "log_statement": "all", "log_connections": "on", "log_min_error_statement": "error",
	}})
	for i, prefix := range serverPrefixes() {
		name := fmt.Sprintf("server-%d.log", i)
		if err := c.Exec(t.Context(), "postgres", "ALTER SYSTEM SET log_line_prefix = '"+prefix+"'", "ALTER SYSTEM SET log_filename = '"+name+"'", "SELECT pg_reload_conf()"); err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string]string{"SHOW log_line_prefix": prefix, "SELECT pg_current_logfile('stderr')": "log/" + name} {
			for {
				if got, err := c.Value(t.Context(), "postgres", query); err != nil {
					t.Fatal(err)
				} else if got == want {
					break
				}
			}
		}
		serverWork(t, c)
	}
	if err := c.Stop(context.Background(), cluster.Smart); err != nil {
		t.Fatal(err)
	}
	logs := make(map[string]string)
	for i := range serverPrefixes() {
		for _, ending := range []string{"log", "csv", "json"} {
			name := fmt.Sprintf("server-%d.%s", i, ending)
			if i > 0 && ending != "log" {
				continue // the prefix makes no difference
			}
			text, err := os.ReadFile(filepath.Join(c.DataDir(), "log", name))
			if err != nil {
				t.Fatal(err)
			}
			logs[name] = string(text)
			for _, level := range []string{"ERROR:  ", "WARNING:  "} { // cut so that it begins with a word that backends write, too
				if at := strings.Index(logs[name], level); at >= 0 && ending == "log" {
					logs[strings.ToLower(level[:3])+" "+name] = logs[name][strings.LastIndexByte(logs[name][:at], '\n')+1:]
				}
			}
		}
	}
	return logs
}

// serverWork has what a backend's log has, too: errors with details, warnings, texts over several lines, words of levels.
func serverWork(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, test := range []struct {
		sql   string
		fails bool
	}{
		{sql: "CREATE TABLE notes (id int PRIMARY KEY, note text)"},
		{sql: "INSERT INTO notes VALUES (1, 'INFO:     Started server process [1]\n2025-10-07 18:22:49,123 - app.core - INFO - ready\nTraceback (most recent call last):\n  File \"x.py\", line 1')"},
		{sql: `INSERT INTO notes VALUES (2, '{"timestamp":"2025-10-07T18:22:49","level":"INFO","message":"x"}')`},
		{sql: "INSERT INTO notes VALUES (1, 'twice')", fails: true},
		{sql: "INSERT INTO notes\n  SELECT 3, 'WARNING: [a]'\n  FROM generate_series(1, 1)"},
		{sql: "DELETE FROM notse", fails: true},
		{sql: "COMMIT"},
		{sql: "DO $$BEGIN RAISE WARNING 'backend - %', 1 USING HINT = 'look\nagain', DETAIL = 'a'; END$$"},
		{sql: "SELECT 1/0", fails: true},
		{sql: "DROP TABLE notes"},
	} {
		err := c.Exec(t.Context(), "postgres", test.sql)
		if (err != nil) != test.fails {
			t.Fatalf("%s: %v", test.sql, err)
		}
	}
}

// backendLogs are what backends write, one for each shape, by name. Every message has the word backend.
func backendLogs() map[string]string {
	traceback := strings.Join([]string{
		"Traceback (most recent call last):", `  File "/app/backend.py", line 7, in insert`, "    cursor.execute(statement)",
		`sqlalchemy.exc.IntegrityError: (psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "backend_pkey"`,
		"DETAIL:  Key (id)=(7) already exists.", "", "[SQL: INSERT INTO backend (id) VALUES (%(id)s)]", "[parameters: {'id': 7}]",
	}, "\n")
	refused := strings.Join([]string{
		"Traceback (most recent call last):", `  File "/app/backend.py", line 9, in connect`,
		`psycopg2.OperationalError: connection to server at "db" (172.18.0.2), port 5432 failed: FATAL:  the database system is starting up (backend)`,
	}, "\n")
	logs := map[string]string{
		"uvicorn": "INFO:     Started server process [1] of the backend\nINFO:     Waiting for application startup. backend\nWARNING:  backend reloads\n" +
			"ERROR:    Exception in backend\n" + traceback + "\nINFO:     10.0.0.1:53422 - \"POST /backend HTTP/1.1\" 200 OK\n",
		"json":      `{"timestamp": "2025-10-07T18:22:49.123456", "level": "INFO", "logger": "app.x", "message": "backend"}` + "\n" + `{"timestamp": "2025-10-07T18:22:50.123456", "level": "ERROR", "message": "backend ERROR:  no"}` + "\n",
		"structlog": `{"event": "backend", "level": "info", "timestamp": "2025-10-07T18:22:49.123456Z"}` + "\n",
		"loguru":    `{"text": "backend\n", "record": {"elapsed": {"repr": "0:00:01", "seconds": 1.0}, "exception": null, "level": {"icon": "i", "name": "INFO", "no": 20}, "message": "backend", "name": "app", "time": {"repr": "2025-10-07 18:22:49.123456+00:00", "timestamp": 1759861369.123456}}}` + "\n",
		"nginx":     "10.0.0.1 - - [07/Oct/2025:18:22:49 +0000] \"GET /backend HTTP/1.1\" 200 12 \"-\" \"curl/8\"\n",
	}
	for name, head := range map[string]string{
		"application": "2025-10-07 18:22:49,123 - app.core.context - %s - ", "basic": "%s:app.core:", "loguru text": "2025-10-07 18:22:49.123 | %-8s | app.jobs:run:17 - ",
		"gunicorn": "[2025-10-07 18:22:49 +0000] [7] [%s] ", "celery": "[2025-10-07 18:22:49,123: %s/ForkPoolWorker-1] ", "flask": "[2025-10-07 18:22:49,123] %s in app: ",
		"brackets": "2025-10-07 18:22:49,123 [%s] app.x: ", "plain": "2025-10-07 18:22:49,123 %s app.x: ", "colon": "2025-10-07 18:22:49,123 %s: ", "spaces": "2025-10-07 18:22:49,123 %-8s ",
		"django": "%s 2025-10-07 18:22:49,123 views 71 140 ", "structlog console": "2025-10-07T18:22:49.123456Z [%-9s] ", "ruby": "D, [2025-10-07T18:22:49.123456 #71] %5s -- : ",
	} {
		var text strings.Builder
		for _, level := range []string{"INFO", "WARNING", "ERROR"} {
			fmt.Fprintf(&text, head+"backend works\n", level)
			fmt.Fprintf(&text, head+"backend: [a] LOG:  b\n", level)
		}
		fmt.Fprintf(&text, head+"backend failed\n%s\n", "ERROR", traceback)
		fmt.Fprintf(&text, head+"backend cannot connect\n%s\n", "ERROR", refused)
		logs[name] = text.String()
	}
	for name, text := range logs {
		logs[name] = strings.Repeat(text, 3)
	}
	return logs
}

// readTogether reads logs below a folder with both detectors, as the command does.
func readTogether(t *testing.T, folder string, take func(*logparse.Entry)) []*logparse.Source {
	t.Helper()
	sources, _, err := logparse.Find(t.Context(), logparse.FindOptions{Paths: []string{folder}})
	if err == nil {
		err = logparse.Recognise(t.Context(), sources, applog.Detector{}, pglog.Detector{})
	}
	for _, source := range sources {
		for entry, failed := range source.Entries(t.Context()) {
			if err = errors.Join(err, failed); err != nil {
				break
			}
			take(entry)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

func writeLog(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err == nil {
		err = os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600)
		if err == nil {
			return
		}
	}
	t.Fatal("cannot write " + name)
}

func TestServersAndBackendsAreToldApart(t *testing.T) {
	t.Parallel()
	server, backend := serverLogs(t), backendLogs()
	all := t.TempDir()
	for name, text := range server {
		writeLog(t, all, name, text)
	}
	for name, text := range backend {
		writeLog(t, all, "backend "+name+".log", text)
	}
	entries := make(map[string]int)
	readTogether(t, all, func(e *logparse.Entry) {
		name := filepath.Base(e.Name())
		entries[name]++
		if of := !strings.HasPrefix(name, "backend"); of != logparse.OfServer(e.Format) {
			t.Errorf("%s:%d is taken for %s: %.100s", name, e.Line, e.Format, e.Message)
		}
	})
	if len(entries) != len(server)+len(backend) {
		t.Errorf("%d of %d logs gave entries: %v", len(entries), len(server)+len(backend), entries)
	}
	for _, other := range []string{"server-0.log", "server-2.log", "server-3.log", "server-5.log"} {
		t.Run("two servers, "+other, func(t *testing.T) {
			twoServers(t, server["server-6.log"]+server[other], entries["server-6.log"]+entries[other])
		})
	}
	for _, of := range slices.Sorted(maps.Keys(server)) {
		if !strings.HasSuffix(of, ".log") {
			continue // the other forms go to files of their own
		}
		for _, with := range slices.Sorted(maps.Keys(backend)) {
			if of == "war server-1.log" && with == "uvicorn" {
				continue // a WARNING without a prefix, before any other line: both write it so, to the letter
			}
			t.Run(of+" and "+with, func(t *testing.T) {
				inOneContainer(t, server[of], entries[of], backend[with], entries["backend "+with+".log"])
			})
		}
	}
}

// twoServers reads one file that two servers with prefixes of their own wrote. What each has stays whole.
func twoServers(t *testing.T, text string, want int) {
	t.Helper()
	folder := t.TempDir()
	writeLog(t, folder, "postgresql.log", text)
	got, whole := 0, 0
	sources := readTogether(t, folder, func(e *logparse.Entry) {
		got++
		if !logparse.OfServer(e.Format) {
			t.Errorf("line %d is taken for %s: %.100s", e.Line, e.Format, e.Message)
		}
		if e.Severity == "ERROR" && len(e.Statement) > 0 {
			whole++
		}
	})
	if errors := strings.Count(text, "ERROR:  "); got != want || whole != errors {
		t.Errorf("%d entries, and %d errors with their statement; want %d and %d; %s", got, whole, want, errors, sources[0].Format)
	}
}

// inOneContainer mixes two logs, as Docker does where two programs run in a container: the lines of a message stay together.
func inOneContainer(t *testing.T, server string, ofTheServer int, backend string, ofTheBackend int) {
	t.Helper()
	var text strings.Builder
	put := func(stream, lines string) {
		for line := range strings.Lines(lines) {
			wrapped, err := json.Marshal(map[string]string{"log": line, "stream": stream, "time": "2025-10-07T18:22:49.5Z"})
			if err != nil {
				t.Fatal(err)
			}
			text.Write(append(wrapped, '\n'))
		}
	}
	put("stderr", server)
	put("stdout", backend)
	put("stderr", server)
	put("stdout", backend)
	folder := t.TempDir()
	writeLog(t, folder, "0123456789abcdef-json.log", text.String())
	servers, backends := 0, 0
	sources := readTogether(t, folder, func(e *logparse.Entry) {
		stream := "stdout"
		if logparse.OfServer(e.Format) {
			stream = "stderr"
			servers++
		} else {
			backends++
		}
		if e.Outer.Stream != stream {
			t.Errorf("line %d of %s is taken for %s: %.100s", e.Line, e.Outer.Stream, e.Format, e.Message)
		}
	})
	if servers != 2*ofTheServer || backends != 2*ofTheBackend {
		t.Errorf("%d entries of the server and %d of the backend, want %d and %d; %s", servers, backends, 2*ofTheServer, 2*ofTheBackend, sources[0].Format)
	}
}
