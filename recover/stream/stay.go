package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrescue/pgrescue/recover/live"
)

// A server that restarts is back within minutes. One that is not is told of, and the
// same command goes on later.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
	mostAttempts = 20 // in a row, without a byte in between: about eight minutes
)

// stay goes on following after err: when the connection was lost, with a new one.
func (f *fetcher) stay(ctx context.Context, err error) error {
	attempts, reached := 0, f.at
	for comesBack(err, attempts > 0) {
		if f.at > reached {
			attempts, reached = 0, f.at
		}
		if attempts == mostAttempts {
			return f.server.failure("follow", live.ErrLost, fmt.Errorf("no connection after %d attempts: %w", attempts, err), "")
		}
		pause := min(firstPause<<min(attempts, 10), longestPause)
		attempts++
		f.notice(fmt.Sprintf("%v; connecting anew in %s, attempt %d of %d", err, pause, attempts, mostAttempts))
		if err = f.server.pause(ctx, pause); err != nil {
			return err
		}
		if err = f.server.reconnect(ctx); err == nil {
			f.slot = nil // a temporary one went with its connection, a kept one is taken again
			f.notice(fmt.Sprintf("connected again: the server's log is at %s, and what follows %s is next", f.server.identity.LSN, f.at))
			err = f.goOn(ctx)
		}
	}
	return err
}

// comesBack reports whether an error passes when the server is back. After a lost
// connection it may take a while until the server notices, and lets go of the slot.
func comesBack(err error, again bool) bool {
	switch {
	case errors.Is(err, ErrDisk):
		return false
	case errors.Is(err, ErrSlotInUse):
		return again
	}
	return errors.Is(err, live.ErrLost) || errors.Is(err, live.ErrUnreachable)
}

func (f *fetcher) notice(text string) {
	if f.options.Notice != nil {
		f.options.Notice(text)
	}
}

// reconnect opens the connection anew. It must lead to the same cluster.
func (s *Server) reconnect(ctx context.Context) error {
	s.Close()
	conn, err := pgconn.ConnectConfig(ctx, s.config)
	if err != nil {
		return s.endpoint.ConnectFailure(ctx, err, s.connectHint)
	}
	s.conn = conn
	before := s.identity.SystemIdentifier
	if err := s.identify(ctx); err != nil {
		return err
	}
	if now := s.identity.SystemIdentifier; now != before {
		return s.failure("go on with", ErrOtherSystem, fmt.Errorf("the system identifier there is %d now, it was %d", now, before),
			"WAL of two clusters must not be mixed: name another folder with -o")
	}
	return nil
}

// rest waits for a time, or until ctx ends.
func rest(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("connect anew: %w", ctx.Err())
	}
}
