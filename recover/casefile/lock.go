package casefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	lockName = "lock"
	lockPoll = 50 * time.Millisecond
	lockText = 4 << 10 // more than a holder writes of itself
)

// lock is the writer's hold on a case: a flock on a file that says who has it.
// The system gives it back when the process ends, however it ends; what the file
// says counts only while somebody has it.
type lock struct{ file *os.File }

// takeLock waits for the lock, at most as long as the options say.
func (c *Case) takeLock(ctx context.Context) error {
	path := filepath.Join(c.dir, lockName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return c.fail(ctx, "open lock of", err)
	}
	err = c.waitForLock(ctx, file)
	if err == nil {
		err = sayHolder(file, c.options.Command)
	}
	if err != nil {
		return errors.Join(c.fail(ctx, "lock", err), file.Close())
	}
	c.lock = &lock{file}
	return nil
}

func (c *Case) waitForLock(ctx context.Context, file *os.File) error {
	until := time.NewTimer(c.options.LockWait)
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
			return failure("lock", c.dir, ErrLocked, fmt.Errorf("held by %s", c.holder()), "wait until it has ended, or use another case")
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

// holder says who has the lock, on one line.
func (c *Case) holder() string {
	file, err := os.Open(filepath.Join(c.dir, lockName))
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

// release gives the lock back.
func (l *lock) release() error {
	if l == nil {
		return nil
	}
	// Closing alone is not enough: a process that is being started has a copy of the
	// descriptor until it runs its program.
	return errors.Join(l.file.Truncate(0), syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
}
