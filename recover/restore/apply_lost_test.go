package restore

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

// A server process that is killed in the middle leaves nothing of its transaction.
func TestKilledBackendLeavesNothing(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", shapesSQL)
	plan := shapesPlan(g, true)
	before := g.state(shapeTables...)
	for _, stage := range []Stage{StageCopy, StageWrite, StageKeys, StageCommit} {
		acting := g.acting(plan)
		killed := false
		acting.Progress = func(s Step) {
			if s.Stage == stage && !killed {
				killed = true
				g.exec("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'pgrescue/test'")
			}
		}
		if _, err := Apply(t.Context(), acting, ApplyOptions{}); !errors.Is(err, live.ErrLost) || !killed {
			t.Errorf("killed at %s: got %v, want ErrLost", stage, err)
		}
		if now := g.state(shapeTables...); now != before {
			t.Errorf("killed at %s:\n%s\nwant:\n%s", stage, now, before)
		}
	}
	if done := g.apply(plan, ApplyOptions{}); done.Inserted != 22 || done.Already {
		t.Errorf("apply after all did %+v", done)
	}
	g.verify(plan)
}

// A COMMIT whose answer is lost is looked up: what was committed is not done again, and
// what was not is not taken for done.
func TestConnectionLostAtCommit(t *testing.T) {
	t.Parallel()
	for _, batch := range []int64{0, 4} {
		for _, sent := range []bool{true, false} {
			g := newTarget(t, "15", shapesSQL)
			plan := shapesPlan(g, true)
			before := g.state(shapeTables...)
			p := startProxy(t, g.c.TCPDSN(g.db))
			acting := g.acting(plan)
			acting.Connect = connectTo(p.dsn)
			for _, act := range []func() error{
				func() error { _, err := Apply(t.Context(), acting, ApplyOptions{Batch: batch}); return err },
				func() error { _, err := Undo(t.Context(), acting, UndoOptions{Batch: batch}); return err },
			} {
				p.cutAt(sent)
				err := act()
				if !p.cut() {
					t.Fatalf("batch=%d sent=%v: the connection was not cut", batch, sent)
				}
				if sent && err != nil {
					t.Errorf("batch=%d: the transaction was committed, and the error is %v", batch, err)
				}
				if !sent && !errors.Is(err, live.ErrLost) {
					t.Errorf("batch=%d: got %v, want ErrLost", batch, err)
				}
				if err := act(); err != nil {
					t.Errorf("batch=%d sent=%v: once more: %v", batch, sent, err)
				}
			}
			if now := g.state(shapeTables...); now != before {
				t.Errorf("batch=%d sent=%v: after undo:\n%s\nwant:\n%s", batch, sent, now, before)
			}
			g.apply(plan, ApplyOptions{})
			g.verify(plan)
		}
	}
}

// When the server cannot be asked either, the next run asks it.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	for _, sent := range []bool{true, false} {
		g := newTarget(t, "15", shapesSQL)
		plan := shapesPlan(g, true)
		p := startProxy(t, g.c.TCPDSN(g.db))
		acting := g.acting(plan)
		connects := 0
		acting.Connect = func(ctx context.Context) (*live.Conn, error) {
			if connects++; connects > 1 {
				return nil, live.ErrUnreachable
			}
			return connectTo(p.dsn)(ctx)
		}
		p.cutAt(sent)
		if _, err := Apply(t.Context(), acting, ApplyOptions{}); !errors.Is(err, ErrInDoubt) {
			t.Errorf("sent=%v: got %v, want ErrInDoubt", sent, err)
		}
		done := g.apply(plan, ApplyOptions{})
		if done.Already != sent {
			t.Errorf("sent=%v: the next run did %+v", sent, done)
		}
		g.verify(plan)
	}
}

// proxy stands between us and a server, and cuts the connection at a COMMIT.
type proxy struct {
	dsn    string
	server string
	armed  atomic.Bool
	sent   atomic.Bool // let the server have the COMMIT, and keep its answer
}

// commitMessage is the message of the simple protocol that commits.
var commitMessage = []byte("Q\x00\x00\x00\x0bCOMMIT\x00")

func startProxy(t *testing.T, dsn string) *proxy {
	t.Helper()
	port := regexp.MustCompile(`port=(\d+)`)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, own, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{dsn: port.ReplaceAllString(dsn, "port="+own), server: "127.0.0.1:" + port.FindStringSubmatch(dsn)[1]}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	})
	return p
}

// cutAt makes the proxy cut the connection at the next COMMIT.
func (p *proxy) cutAt(sent bool) {
	p.sent.Store(sent)
	p.armed.Store(true)
}

// cut reports whether the connection was cut.
func (p *proxy) cut() bool { return !p.armed.Load() }

// serve forwards what one client and the server say.
func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	var mute atomic.Bool
	var answers sync.WaitGroup
	answers.Go(func() {
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if mute.Load() || err != nil {
				return // the first answer after the COMMIT: the server has done it
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	defer answers.Wait()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			_ = server.Close()
			return
		}
		last := bytes.Contains(buf[:n], commitMessage) && p.armed.CompareAndSwap(true, false)
		if last && !p.sent.Load() {
			_ = server.Close()
			return
		}
		mute.Store(last)
		if _, err := server.Write(buf[:n]); err != nil || last {
			return
		}
	}
}

// A standby takes no rows, and says so before anything is begun; it can be verified.
func TestStandbyIsRefused(t *testing.T) {
	t.Parallel()
	g := newTarget(t, "15", refuseSQL)
	plan := refusePlan(g, true)
	g.apply(plan, ApplyOptions{})
	for _, err := range []error{
		g.c.Stop(t.Context(), cluster.Fast),
		os.WriteFile(filepath.Join(g.c.DataDir(), "standby.signal"), nil, 0o644),
		g.c.Start(context.WithoutCancel(t.Context())),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	acting := g.acting(plan)
	acting.Connect = connectTo(g.c.DSN(g.db))
	if _, err := Verify(t.Context(), acting); err != nil {
		t.Errorf("verify: %v", err)
	}
	if _, err := Undo(t.Context(), acting, UndoOptions{}); !errors.Is(err, live.ErrReadOnly) {
		t.Errorf("undo: got %v, want ErrReadOnly", err)
	}
	if _, err := Apply(t.Context(), acting, ApplyOptions{}); !errors.Is(err, live.ErrReadOnly) {
		t.Errorf("apply: got %v, want ErrReadOnly", err)
	}
}
