package casefile

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/journal"
)

const lockName = "lock"

// takeLock waits for the writer's hold on the case, at most as long as the options say.
func (c *Case) takeLock(ctx context.Context) error {
	lock, err := journal.Take(ctx, filepath.Join(c.dir, lockName), c.options.LockWait, c.options.Command)
	if errors.Is(err, journal.ErrHeld) {
		return failure("lock", c.dir, ErrLocked, err, "wait until it has ended, or use another case")
	}
	c.lock = lock
	return c.fail(ctx, "lock", err)
}

// holder says who has the lock, on one line.
func (c *Case) holder() string { return journal.Holder(filepath.Join(c.dir, lockName)) }
