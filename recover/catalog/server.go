package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// RunningServer reads postmaster.pid of a data directory. No such file gives
// pid 0 and no error. alive tells whether a server with that pid runs on this
// data directory now: then its files change while they are read. The file
// alone proves nothing, since a crash and a copy leave it behind; a copy of a
// running server's directory is not taken for the running one.
func RunningServer(pgdata string) (pid int, alive bool, err error) {
	path := filepath.Join(pgdata, "postmaster.pid")
	raw, err := readHead(nil, path, evidence.KindControl, 4096) // no evidence, but a sign of life
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("catalog: read lock file: %w", err)
	}
	// The lines are pid, data directory and more (LOCK_FILE_LINE_* in utils/pidfile.h).
	lines := strings.Split(string(raw), "\n")
	pid, err = strconv.Atoi(strings.TrimSpace(lines[0]))
	if pid < 0 { // a single-user server writes its pid negated
		pid = -pid
	}
	if err != nil || pid == 0 {
		return 0, false, fmt.Errorf("catalog: read lock file %s: no process id in its first line", path)
	}
	lockedDir := ""
	if len(lines) > 1 {
		lockedDir = strings.TrimSpace(lines[1])
	}
	return pid, processExists(pid) && servesDirectory(pid, pgdata, lockedDir), nil
}

// processExists asks with signal 0; a process of another user counts.
func processExists(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// servesDirectory tells a server on pgdata from a process that merely has the
// pid of a lock file: a server's working directory is its data directory. Where
// that cannot be seen, the program's name and the directory in the lock file
// decide, and in doubt the answer is yes.
func servesDirectory(pid int, pgdata, lockedDir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if cwd, err := os.Stat(filepath.Join(proc, "cwd")); err == nil {
		return isDirectory(cwd, pgdata)
	}
	if name, err := os.ReadFile(filepath.Join(proc, "comm")); err == nil && !strings.HasPrefix(string(name), "post") {
		return false
	}
	if locked, err := os.Stat(lockedDir); err == nil {
		return isDirectory(locked, pgdata)
	}
	return true
}

func isDirectory(info fs.FileInfo, path string) bool {
	other, err := os.Stat(path)
	return err == nil && os.SameFile(info, other)
}
