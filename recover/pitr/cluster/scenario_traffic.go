package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Traffic is what other people do while a scenario runs: each worker has a
// session of its own and repeats its work until Stop.
type Traffic struct {
	cancel context.CancelFunc
	done   chan error
	count  int
}

// trafficPace bounds what one worker does, so that traffic stays traffic and
// does not eat the machine.
const trafficPace = time.Millisecond

// StartTraffic starts one worker for each of works. A worker calls its work with
// 0, 1, 2, … in turn until Stop, or until ctx ends.
func (c *Cluster) StartTraffic(ctx context.Context, db string, works ...func(turn int) string) (*Traffic, error) {
	ctx, cancel := context.WithCancel(ctx)
	traffic := &Traffic{cancel: cancel, done: make(chan error, len(works))}
	for _, work := range works {
		conn, err := c.Connect(ctx, db)
		if err != nil {
			return nil, errors.Join(err, traffic.Stop())
		}
		traffic.count++
		go func() { traffic.done <- drive(ctx, conn, work) }()
	}
	return traffic, nil
}

// drive runs one worker. The statement under way is let finish, so that the end
// of the traffic aborts no transaction.
func drive(ctx context.Context, conn *pgx.Conn, work func(turn int) string) error {
	always := context.WithoutCancel(ctx)
	defer conn.Close(always)
	pace := time.NewTicker(trafficPace)
	defer pace.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		if err := execAll(always, conn, work(turn)); err != nil {
			return fmt.Errorf("cluster: traffic, turn %d: %w", turn, err)
		}
	}
}

// Stop lets each worker finish its turn and gives their errors.
func (t *Traffic) Stop() error {
	t.cancel()
	var errs []error
	for ; t.count > 0; t.count-- {
		errs = append(errs, <-t.done)
	}
	return errors.Join(errs...)
}
