package drill

import (
	"context"
	"sync"
	"time"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

// pace is how long a worker waits between two turns.
const pace = 10 * time.Millisecond

// traffic is what other people do with the shop. Unlike that of package cluster it lives on
// when a table is gone, as an application does, and knows which of its turns came to pass.
type traffic struct {
	tables []table // that newcomers come to

	mu      sync.Mutex
	xids    map[string]bool
	turns   map[string]int   // the next turn of each worker
	arrived map[string]lines // newcomers of each table
	refused int

	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newTraffic(tables []table) *traffic {
	return &traffic{tables: tables, xids: map[string]bool{}, turns: map[string]int{}, arrived: map[string]lines{}, cancel: func() {}}
}

// worker is what one session does over and over.
type worker struct {
	name string // the table that newcomers come to; "": what always happens
	work func(turn int) string
	line func(turn int) string
}

func (t *traffic) workers() []worker {
	all := []worker{{work: habit}}
	for i := range t.tables {
		all = append(all, worker{t.tables[i].name, t.tables[i].arrival, t.tables[i].line})
	}
	return all
}

// turn does one turn of a worker. An error of the server is the application's; the turn did not happen.
func (t *traffic) turn(ctx context.Context, s *cluster.Session, w *worker) error {
	t.mu.Lock()
	turn := t.turns[w.name]
	t.turns[w.name]++
	t.mu.Unlock()
	xid, err := s.Value(ctx, w.work(turn)+"; SELECT txid_current()")
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		if cluster.ServerMessage(err) == "" {
			return err
		}
		t.refused++
		return nil
	}
	t.xids[xid] = true
	if w.line != nil {
		if t.arrived[w.name] == nil {
			t.arrived[w.name] = lines{}
		}
		t.arrived[w.name][w.line(turn)]++
	}
	return nil
}

// some lets each worker do so many turns, one worker after the other.
func (t *traffic) some(ctx context.Context, c *cluster.Cluster, turns int) error {
	s, err := c.Session(ctx, database)
	if err != nil {
		return err
	}
	defer s.Close(context.WithoutCancel(ctx))
	for _, w := range t.workers() {
		for range turns {
			if err := t.turn(ctx, s, &w); err != nil {
				return err
			}
		}
	}
	return nil
}

// resume starts the workers. Each ends when its session does.
func (t *traffic) resume(ctx context.Context, c *cluster.Cluster) error {
	running, cancel := context.WithCancel(ctx)
	t.cancel = cancel
	for _, w := range t.workers() {
		s, err := c.Session(ctx, database)
		if err != nil {
			t.pause()
			return err
		}
		t.done.Add(1)
		go func() {
			defer t.done.Done()
			defer s.Close(context.WithoutCancel(ctx))
			t.drive(running, s, &w)
		}()
	}
	return nil
}

// drive lets a statement under way finish: its end is known then.
func (t *traffic) drive(ctx context.Context, s *cluster.Session, w *worker) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if t.turn(context.WithoutCancel(ctx), s, w) != nil {
			return // the server is gone
		}
	}
}

// pause waits until each worker has ended its turn.
func (t *traffic) pause() {
	t.cancel()
	t.done.Wait()
}

// newcomers are the rows that came to a table.
func (t *traffic) newcomers(name string) lines {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := lines{}
	all.add(t.arrived[name])
	return all
}

// mine reports whether a transaction was one of the traffic.
func (t *traffic) mine(xid string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.xids[xid]
}
