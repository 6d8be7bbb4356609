package preserve

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
)

// serverLogs says where the server logs to.
type serverLogs struct {
	folder string // "": nobody knows
	inside bool   // the folder is below the data directory
	file   string // or the one file that its standard error goes to
}

// findLogs asks the server, or looks where logs use to lie.
func (w *work) findLogs(ctx context.Context) (serverLogs, error) {
	var logs serverLogs
	collector := ""
	if w.read != nil {
		err := w.read.Query(ctx, "ask where it logs to at", `SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('log_directory', 'logging_collector')`, nil,
			func(row [][]byte) error {
				if string(row[0]) == "log_directory" {
					logs.folder = string(row[1])
				} else {
					collector = string(row[1])
				}
				return nil
			})
		if err != nil {
			return logs, err
		}
	}
	if collector == "off" || w.read == nil {
		logs.folder = ""
	}
	if logs.folder == "" && w.DataDir != "" {
		for _, name := range []string{"log", "pg_log"} {
			if info, err := os.Stat(filepath.Join(w.DataDir, name)); err == nil && info.IsDir() {
				logs.folder = name
				break
			}
		}
	}
	if logs.folder == "" {
		logs.file = w.standardError()
	}
	logs.inside = logs.folder != "" && !filepath.IsAbs(logs.folder) && filepath.IsLocal(logs.folder)
	return logs, nil
}

// standardError finds the file that a server without a collector logs to, by its open files.
func (w *work) standardError() string {
	if w.DataDir == "" {
		return ""
	}
	pid, alive, err := catalog.RunningServer(w.DataDir)
	if err != nil || !alive {
		return ""
	}
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/2", pid))
	if err != nil || !filepath.IsAbs(target) || strings.HasPrefix(target, "/dev/") {
		return ""
	}
	return target
}

// logJob lists the logs of the server; nil where there are none.
func (w *work) logJob(ctx context.Context, logs serverLogs) (*copyJob, error) {
	j := &copyJob{name: "logs of the server", to: toLogs, fresh: true, kind: func(string) evidence.Kind { return evidence.KindLog }}
	switch {
	case logs.file != "":
		info, err := os.Stat(logs.file)
		if err != nil || !info.Mode().IsRegular() {
			return nil, nil //nolint:nilerr,nilnil // a terminal, or gone
		}
		j.from = place{localTree{filepath.Dir(logs.file)}, filepath.Dir(logs.file)}
		j.items = []item{{path: filepath.Base(logs.file), size: info.Size(), modified: info.ModTime()}}
		return j, nil
	case logs.folder == "":
		if w.read != nil {
			w.expects("logs of the server", "it does not collect them into files itself, or does not say where; name them with --log")
		}
		return nil, nil //nolint:nilnil // nothing to copy is no error
	case logs.inside:
		j.from, j.strip = w.data, logs.folder
		if w.data.tree == nil {
			w.lacks("logs of the server", "they are in its data directory, which cannot be read")
			return nil, nil //nolint:nilnil // said
		}
	case w.overSQL || w.data.tree == nil:
		j.from = place{serverTree{w.read, logs.folder}, "server:" + logs.folder}
	default:
		j.from = place{localTree{logs.folder}, logs.folder}
	}
	var err error
	j.items, err = walk(ctx, j.from, j.strip, func(string, bool) bool { return true }, func(file string, err error) {
		w.lacks("logs of the server in "+j.from.at(file), live.Message(err))
	})
	return j, err
}
