//go:build unix

package stream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lock keeps other fetches out of the folder until release is called. The lock ends
// with this process, however that ends; a file that was left is taken over. A file
// system that knows no locks goes without.
func (f *folder) lock() (release func(), err error) {
	const op = "lock"
	path := filepath.Join(f.path, lockName)
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, f.failure(op, lockName, ErrDisk, err, "")
		}
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			holder, _ := os.ReadFile(path) // for people; the lock itself counts
			_ = file.Close()
			return nil, f.failure("write into", "", ErrFolderInUse,
				fmt.Errorf("another wal fetch writes into it%s", strings.TrimRight(string(holder), "\n")),
				"wait until it has ended, or name another folder with -o")
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
			_ = file.Close()
			return func() {}, nil
		case err != nil:
			_ = file.Close()
			return nil, f.failure(op, lockName, ErrDisk, err, "")
		}
		if stillThere(file, path) {
			// That the holder cannot be named is no reason to fail.
			_ = file.Truncate(0)
			_, _ = fmt.Fprintf(file, ", as process %d\n", os.Getpid())
			return func() { // the name first: while it is held nobody can take it over
				_ = os.Remove(path)
				_ = file.Close()
			}, nil
		}
		_ = file.Close() // its holder has removed it meanwhile
	}
}

// stillThere reports whether a path leads to an open file.
func stillThere(file *os.File, path string) bool {
	open, errOpen := file.Stat()
	named, errNamed := os.Stat(path)
	return errOpen == nil && errNamed == nil && os.SameFile(open, named)
}
