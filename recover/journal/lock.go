package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	lockPoll = 50 * time.Millisecond
	lockText = 4 << 10 // more than a holder writes of itself
)

// ErrHeld: another process has the lock. The error says which.
var ErrHeld = errors.New("the lock is held")

// HeldError is an ErrHeld with its holder.
type HeldError struct{ Holder string }

func (e *HeldError) Error() string { return "held by " + e.Holder }

// Is makes errors.Is find ErrHeld.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// Lock is a flock on a file that says who has it. The system gives it back when
// the process ends, however it ends; what the file says counts only while somebody
// has it.
type Lock struct{ file *os.File }

// Take waits for the lock, at most for a time.
func Take(ctx context.Context, path string, wait time.Duration, command string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = waitFor(ctx, file, path, wait)
	if err == nil {
		err = sayHolder(file, command)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Lock{file}, nil
}

func waitFor(ctx context.Context, file *os.File, path string, wait time.Duration) error {
	until := time.NewTimer(wait)
	defer until.Stop()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-until.C:
			return &HeldError{Holder(path)}
		case <-poll.C:
		}
	}
}

// sayHolder writes into the lock who has it.
func sayHolder(file *os.File, command string) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	text := fmt.Sprintf("pid %s\nhost %s\ncommand %s\nsince %s\n", strconv.Itoa(os.Getpid()), host, command,
		time.Now().UTC().Format(time.RFC3339))
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt([]byte(text), 0)
	return err
}

// Holder says who has the lock, on one line.
func Holder(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return "an unknown process"
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, lockText))
	if err != nil || len(text) == 0 {
		return "an unknown process"
	}
	return strings.Join(strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' }), ", ")
}

// HeldBy says who has the lock, without taking it; "" when nobody has.
func HeldBy(path string) (string, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return Holder(path), nil
	}
	if err == nil {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	}
	return "", err
}

// Release gives the lock back. That of a nil lock is nothing.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	// Closing alone is not enough: a process that is being started has a copy of the
	// descriptor until it runs its program.
	return errors.Join(l.file.Truncate(0), syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
}
