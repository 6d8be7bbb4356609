package preserve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/live"
)

// Options say what there is, and what is to be done with it.
type Options struct {
	Folder     string   // the case's folder evidence; "": there is no case, and so only a plan
	DataDir    string   // "": none is at hand
	Server     *Server  // nil: none is at hand
	Silent     string   // why the server that is named does not answer; "": it does, or none is named
	Tables     []string // that were hurt, as SQL writes them
	Logs       []string // files and folders of the application
	Sources    []string // files and folders that rows came from
	Redis      string   // address of a Redis server; "": none
	Containers []string // whose logs are kept
	DockerHost string   // DOCKER_HOST; "": the usual socket
	Slot       string   // the name of the slot
	NoFreeze   bool
	OnlyHurt   bool
	OverSQL    bool // the server reads its files also where they are on this machine
	// Free tells how many bytes are free where a folder is, or is to be; nil: the system is asked.
	Free     func(folder string) (int64, error)
	Progress func(stage string, bytes int64) func(done int64)
}

// Missing is something that could not be had.
type Missing struct {
	What string `json:"what"`
	Why  string `json:"why"`
	// Expected: nobody gave what it takes, such as a server. That is no failure.
	Expected bool `json:"expected,omitempty"`
}

// work is one plan, or one capture.
type work struct {
	Options
	hurt     []hurtTable
	gone     []string // tables that were named and are not there
	catalogs []string // files of catalogs whose names do not tell
	missing  []Missing
	read     *live.Conn // nil: no server
	data     place      // the data directory; tree is nil where there is none
	overSQL  bool       // the server reads its files
}

// lacks notes what cannot be had.
func (w *work) lacks(what, why string) { w.missing = append(w.missing, Missing{What: what, Why: why}) }

// expects notes what cannot be had, and that nobody gave what it takes.
func (w *work) expects(what, why string) {
	w.missing = append(w.missing, Missing{What: what, Why: why, Expected: true})
}

// begin opens what there is.
func begin(ctx context.Context, options Options) (*work, error) {
	w := &work{Options: options}
	if w.Progress == nil {
		w.Progress = func(string, int64) func(int64) { return func(int64) {} }
	}
	if w.Free == nil {
		w.Free = freeOf
	}
	if w.Server != nil {
		conn, err := w.Server.Open(ctx, "", live.Read)
		if err != nil {
			return nil, err
		}
		w.read = conn
	}
	if w.Silent != "" {
		w.lacks("the server", "only its files are captured: "+w.Silent)
	}
	err := w.findData(ctx)
	if err == nil {
		err = w.findTables(ctx)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *work) close() {
	if w.read != nil {
		w.read.Close()
	}
}

// findData finds the data directory: the one that is named, or the server's own if it is on this
// machine, or else through the server.
func (w *work) findData(ctx context.Context) error {
	if w.DataDir != "" {
		return w.sameCluster()
	}
	if w.read == nil {
		w.expects("the data directory", "neither it nor a server is named")
		return nil
	}
	dir, err := w.read.Value(ctx, "ask for the data directory at", "SELECT coalesce(pg_catalog.current_setting('data_directory', true), '')")
	if err != nil && lost(ctx, err) {
		return err
	}
	if err == nil && dir != "" && !w.OverSQL && w.isOwn(ctx, dir) {
		w.DataDir = dir
		w.data = place{localTree{dir}, dir}
		return nil
	}
	remote := serverTree{conn: w.read}
	if _, err = remote.list(ctx, "global"); err == nil {
		var file io.ReadCloser
		if file, err = remote.open(ctx, "PG_VERSION"); err == nil {
			w.overSQL, w.data = true, place{remote, "server:" + cmp.Or(dir, "data directory")}
			return file.Close()
		}
	}
	if lost(ctx, err) {
		return err
	}
	w.lacks("the files of the data directory", "they are not on this machine, and the server does not read them for this role: "+live.Message(err))
	return nil
}

// sameCluster refuses a data directory that is not the server's.
func (w *work) sameCluster() error {
	control, err := catalog.ReadControl(heap.DataDir{Path: w.DataDir})
	if err != nil {
		if _, err := catalog.ReadVersion(heap.DataDir{Path: w.DataDir}); err != nil {
			return err // no data directory at all
		}
	}
	if control != nil && w.Server != nil && w.Server.Card.SystemIdentifier != 0 && control.SystemIdentifier != w.Server.Card.SystemIdentifier {
		return &evidence.Error{
			Op: "preserve: open data directory", Place: w.DataDir,
			Err: fmt.Errorf("%w: it has system identifier %d, the server %s has %d", ErrOtherServer, control.SystemIdentifier,
				w.Server.Card.Place(), w.Server.Card.SystemIdentifier),
			Hint: "name the data directory of this server, or leave out --pgdata",
		}
	}
	w.data = place{localTree{w.DataDir}, w.DataDir}
	return nil
}

// isOwn reports whether a folder of this machine is the data directory of the server. A standby, or a copy, has the same
// system identifier, but no server on the same port that began at the same time.
func (w *work) isOwn(ctx context.Context, dir string) bool {
	control, err := catalog.ReadControl(heap.DataDir{Path: dir})
	if err != nil || w.Server.Card.SystemIdentifier != 0 && control.SystemIdentifier != w.Server.Card.SystemIdentifier {
		return false
	}
	lock, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	lines := strings.Split(string(lock), "\n")
	if err != nil || len(lines) < 4 {
		return false
	}
	since, err := strconv.ParseInt(strings.TrimSpace(lines[2]), 10, 64)
	if err != nil {
		return false
	}
	same, err := w.read.Value(ctx, "ask since when it runs at", `SELECT (abs(extract(epoch FROM pg_catalog.pg_postmaster_start_time()) - $1::float8) < 3
		AND current_setting('port') = $2::text)::text`, strconv.FormatInt(since, 10), strings.TrimSpace(lines[3]))
	return err == nil && same == "true"
}

// serverRoom is what is free where the server's WAL lies; -1: nobody knows.
func (w *work) serverRoom() int64 {
	if w.DataDir == "" {
		return -1
	}
	free, err := w.Free(filepath.Join(w.DataDir, "pg_wal"))
	if err != nil {
		return -1
	}
	return free
}

// freeOf asks the system how many bytes are free where a folder is or would be.
func freeOf(folder string) (int64, error) {
	for {
		var stat syscall.Statfs_t
		err := syscall.Statfs(folder, &stat)
		if err == nil {
			return int64(stat.Bavail) * int64(stat.Bsize), nil
		}
		parent := filepath.Dir(folder)
		if !errors.Is(err, syscall.ENOENT) || parent == folder {
			return 0, err
		}
		folder = parent
	}
}
