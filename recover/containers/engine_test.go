package containers_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/containers"
)

// socketIn is a path that is short enough for a socket.
func socketIn(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return filepath.Join(folder, "s")
}

// standIn serves answers as an engine does, and fails the test where it is asked to change something.
func standIn(t *testing.T, answers map[string]string) *containers.Engine {
	t.Helper()
	socket := socketIn(t)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		answer, known := answers[r.URL.RequestURI()]
		if !known {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"message":"no such thing: ` + r.URL.RequestURI() + `"}`
		}
		if _, err := w.Write([]byte(answer)); err != nil {
			t.Error(err)
		}
	})}
	go server.Serve(listener) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { server.Close() })
	engine := containers.At(socket)
	t.Cleanup(engine.Close)
	return engine
}

const inspected = `{"Id":"f00d","Name":"/migration_postgres","Created":"2025-09-25T10:00:00.123456789Z","LogPath":"/var/lib/docker/containers/f00d/f00d-json.log",
"State":{"Status":"running","Running":true,"StartedAt":"2025-09-30T08:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"},
"HostConfig":{"AutoRemove":true,"LogConfig":{"Type":"json-file","Config":{"max-size":"10m","max-file":"5","splunk-token":"geheim"}}},
"Config":{"Image":"pgvector/pgvector:pg17","Tty":false,"Env":["POSTGRES_PASSWORD=geheim","PGDATA=/var/lib/postgresql/data/pg"],"Labels":{"com.docker.compose.project":"migration"}},
"Mounts":[{"Type":"volume","Name":"migration_postgres_data","Source":"/var/lib/docker/volumes/migration_postgres_data/_data","Destination":"/var/lib/postgresql/data","RW":true}]}`

func TestContainersAndVolumes(t *testing.T) {
	t.Parallel()
	engine := standIn(t, map[string]string{
		"/containers/json?all=1": `[{"Id":"f00d"},{"Id":"gone"},{"Id":"beef"}]`, "/containers/f00d/json": inspected, "/containers/beef/json": `{"Id":"beef","Name":"/backend","State":{"Status":"exited"}}`,
		"/volumes": `{"Volumes":[{"Name":"old","Driver":"local","Mountpoint":"/v/old/_data","CreatedAt":"2025-06-01T02:00:00+02:00"},{"Name":"new","Driver":"local","Mountpoint":"/v/new/_data","Labels":{"com.docker.compose.project":"migration"}}]}`,
	})
	list, err := engine.Containers(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "backend" || list[0].Running {
		t.Fatalf("%+v, %v", list, err)
	}
	c := list[1]
	if c.Name != "migration_postgres" || !c.Running || !c.AutoRemove || c.Project != "migration" || !c.Finished.IsZero() || c.Started.Day() != 30 || c.DataDir != "/var/lib/postgresql/data/pg" {
		t.Errorf("%+v", c)
	}
	if len(c.Mounts) != 1 || c.Mounts[0].Volume != "migration_postgres_data" || !c.Mounts[0].Writable || c.Log.Driver != "json-file" || c.Log.Options["max-file"] != "5" || len(c.Log.Options) != 2 {
		t.Errorf("%+v %+v", c.Mounts, c.Log)
	}
	volumes, err := engine.Volumes(t.Context())
	if err != nil || len(volumes) != 2 || volumes[0].Name != "new" || volumes[0].Project != "migration" || volumes[1].Path != "/v/old/_data" || volumes[1].Created.Hour() != 0 {
		t.Errorf("%+v, %v", volumes, err)
	}
	if _, err := engine.Container(t.Context(), "nobody"); !errors.Is(err, containers.ErrUnknown) || !strings.Contains(err.Error(), "no such thing: /containers/nobody/json") {
		t.Errorf("%v", err)
	}
}

// framed puts a head before what a container printed.
func framed(stream byte, text string) string {
	head := []byte{stream, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head) + text
}

func TestLogs(t *testing.T) {
	t.Parallel()
	const first, second = "2025-10-07T20:27:38.125000000Z ERROR:  syntax error\n", "2025-10-07T20:27:39.000000000Z done\n"
	for name, test := range map[string]struct{ raw, tty, want, problem string }{
		"two streams":     {framed(2, first) + framed(1, second), "false", first + second, ""},
		"nothing":         {"", "false", "", ""},
		"a terminal":      {first, "true", first, ""},
		"cut in a frame":  {framed(2, first) + framed(1, second)[:20], "false", first + second[:12], "has 12 of its 36 bytes"},
		"cut in a head":   {framed(2, first) + "\x01\x00", "false", first, "is cut off"},
		"no frames":       {first, "false", "", "no frame begins at byte 0"},
		"an empty frame":  {framed(1, "") + framed(1, second), "false", second, ""},
		"an absurd frame": {"\x01\x00\x00\x00\xff\xff\xff\xffshort", "false", "short", "has 5 of its 4294967295 bytes"},
	} {
		engine := standIn(t, map[string]string{
			"/containers/c/json": `{"Id":"c","Name":"/c","Config":{"Tty":` + test.tty + `}}`,
			"/containers/c/logs?stderr=1&stdout=1&timestamps=1":                  test.raw,
			"/containers/c/logs?since=1759868858&stderr=1&stdout=1&timestamps=1": test.raw,
		})
		c, err := engine.Container(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		for _, since := range []time.Time{{}, time.Unix(1759868858, 0)} {
			var log bytes.Buffer
			err = engine.WriteLog(t.Context(), c, since, &log)
			if log.String() != test.want || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%s: %q, %v", name, log.String(), err)
			}
		}
	}
}

func TestNoEngine(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	if _, err := containers.At(socket).Containers(t.Context()); !errors.Is(err, containers.ErrNone) || !strings.Contains(err.Error(), socket) || strings.Contains(err.Error(), "http") {
		t.Errorf("no socket: %v", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	if _, err := containers.At(socket).Volumes(t.Context()); !errors.Is(err, containers.ErrNone) {
		t.Errorf("nobody listens: %v", err)
	}
	engine := standIn(t, map[string]string{"/containers/json?all=1": "<html>"})
	if _, err := engine.Containers(t.Context()); err == nil || !strings.Contains(err.Error(), "no JSON of an engine") {
		t.Errorf("%v", err)
	}
	for host, want := range map[string]string{"": containers.DefaultSocket, "unix:///run/user/1000/docker.sock": "/run/user/1000/docker.sock", "tcp://10.0.0.1:2375": "", "unix://": "", "/run/podman.sock": "/run/podman.sock"} {
		if path, ok := containers.SocketOf(host); ok != (want != "") || ok && path != want {
			t.Errorf("%q: %q, %v", host, path, ok)
		}
	}
}
