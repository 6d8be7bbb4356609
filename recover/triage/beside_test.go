package triage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/containers"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/rediskeys"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// engineOf is a stand-in for a Docker engine with one container, which mounts the volume "new", and the volumes of a folder.
func engineOf(t *testing.T, volumes string) *containers.Engine {
	t.Helper()
	folder, err := os.MkdirTemp("", "e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	listener, err := net.Listen("unix", filepath.Join(folder, "s"))
	if err != nil {
		t.Fatal(err)
	}
	path, err := json.Marshal(volumes)
	if err != nil {
		t.Fatal(err)
	}
	place := strings.Trim(string(path), `"`)
	answers := map[string]string{
		"/containers/json": `[{"Id":"c1"}]`,
		"/containers/c1/json": `{"Id":"c1","Name":"/migration_postgres","Config":{"Image":"pgvector/pgvector:pg17"},"HostConfig":{"LogConfig":{"Type":"json-file","Config":{"max-size":"10m","max-file":"3"}}},
			"Mounts":[{"Type":"volume","Name":"new","Destination":"/var/lib/postgresql/data"}]}`,
		"/volumes": fmt.Sprintf(`{"Volumes":[{"Name":"new","Mountpoint":"%s/new"},{"Name":"app_postgres_data","Mountpoint":"%s/old"},{"Name":"gone","Mountpoint":"%s/gone"}]}`, place, place, place),
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := w.Write([]byte(answers[r.URL.Path])); err != nil {
			t.Error(err)
		}
	})}
	go server.Serve(listener) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { server.Close() })
	engine := containers.At(filepath.Join(folder, "s"))
	t.Cleanup(engine.Close)
	return engine
}

// TestVolumeBeside: a container runs on a new cluster, on which the application has made its tables again, and a volume that nobody mounts
// holds the old one. On a server with rows, the same volume says nothing.
func TestVolumeBeside(t *testing.T) {
	t.Parallel()
	old := shop(t)
	volumes := t.TempDir()
	if err := old.CopyDataDir(filepath.Join(volumes, "old")); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, old, "postgres", "SELECT pg_switch_wal()")
	fresh := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, fresh, "postgres", "CREATE TABLE orders (id int PRIMARY KEY, tenant int, note text)", "CREATE TABLE version (id text)", "INSERT INTO version VALUES ('087')")
	engine := engineOf(t, volumes)
	for _, copied := range []bool{true, false} {
		report, facts := look(t, fresh, copied, !copied, func(s *triage.Sources) {
			s.Backups, s.Engine, s.EngineAt = &backups.Options{}, engine, "the stand-in"
		})
		if report.Named != triage.WrongPlace || report.Question.Hurt != triage.HurtPlace || len(facts.Backups) != 1 || !strings.Contains(facts.Backups[0].Label, "volume app_postgres_data, which no container uses") {
			t.Errorf("copied %v: named %q, %+v, %+v", copied, report.Named, report.Hypotheses, facts.Backups)
		}
		text := fmt.Sprintf("%+v", report.Hypotheses)
		if !strings.Contains(text, "container migration_postgres keeps its data in volume new") || !strings.Contains(text, "volume app_postgres_data, which no container uses, holds a data directory") {
			t.Errorf("%s", text)
		}
		for _, route := range report.Routes {
			if route.Name == "logs" && !strings.Contains(route.Expiry.Text, "the log of container migration_postgres goes with it, and keeps 3 files of 10m") {
				t.Errorf("%+v", route)
			}
		}
	}
	busy := shop(t)
	clustertest.Exec(t, busy, "postgres", "CREATE TABLE much AS SELECT generate_series(1, 40000) AS id", "CHECKPOINT")
	if report, _ := look(t, busy, true, true, func(s *triage.Sources) { s.Backups, s.Engine = &backups.Options{}, engine }); report.Named != "" {
		t.Errorf("a server with rows: named %q: %+v", report.Named, report.Hypotheses)
	}
}

// store is a stand-in for a Redis server.
type store []rediskeys.Key

func (s store) Keys(_ context.Context, _ string, each func(rediskeys.Key) error) error {
	for _, key := range s {
		if err := each(key); err != nil {
			return err
		}
	}
	return nil
}

func (s store) Text(_ context.Context, name string, _ int64) ([]byte, bool, error) {
	texts := map[string]string{"flow:state:1": `{"flow_id": "x", "raw_data": [{"a": "1"}, {"a": "2"}]}`, "flow:state:2": `{"raw_data": [{}]}`, "flow:state:3": "gAAAA encrypted"}
	return []byte(texts[name]), texts[name] != "", nil
}

// TestKeysAreARoute: states in Redis hold rows for a while.
func TestKeysAreARoute(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	keys, err := triage.ReadKeys(t.Context(), store{
		{Name: "flow:state:1", Type: "string", TTL: time.Hour}, {Name: "flow:state:2", Type: "string", TTL: 2 * time.Hour}, {Name: "flow:state:3", Type: "string", TTL: -1}, {Name: "flow:exists:1", Type: "hash", TTL: time.Minute}, {Name: "flow:gone", Type: "string", TTL: -1},
	}, "redis:6379/0", "flow:*", now)
	if err != nil || keys.Count != 5 || keys.Expire != 3 || keys.Rows != 3 || !keys.First.Equal(now.Add(time.Minute)) || !keys.Last.Equal(now.Add(2*time.Hour)) {
		t.Fatalf("%+v, %v", keys, err)
	}
	report, err := triage.Weigh(t.Context(), &triage.Facts{Now: now, Keys: keys}, nil)
	if err != nil {
		t.Fatal(err)
	}
	route := report.Routes[len(report.Routes)-1]
	if route.Name != "redis" || !strings.Contains(route.Why, "hold 3 rows of imports") || !route.Expiry.At.Equal(keys.First) || !strings.Contains(route.Expiry.Text, "the last at 2026-01-02 05:04:05") {
		t.Errorf("%+v", route)
	}
}
