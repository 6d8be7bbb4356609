package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
)

// chaos breaks requests at random: before they are read, within, when they were handled and
// before the answer, and in the middle of the answer. Some are handled only when the client asks again.
type chaos struct {
	mu     sync.Mutex
	random *rand.Rand
	share  float64  // of requests that are broken
	late   []func() // handled when so many more requests came
	wait   int
	did    map[string]int
}

// pick says what happens to a request.
func (c *chaos) pick(post bool) string {
	c.mu.Lock()
	if c.wait--; c.wait <= 0 {
		for _, handle := range c.late {
			handle()
		}
		c.late = nil
	}
	defer c.mu.Unlock()
	if c.random.Float64() >= c.share {
		return ""
	}
	kinds := []string{"before", "within", "unanswered", "half an answer", "half a head", "502", "503", "500 handled", "429", "a page of a proxy"}
	if post {
		kinds = append(kinds, "late", "500", "unanswered", "half an answer")
	}
	kind := kinds[c.random.IntN(len(kinds))]
	c.did[kind]++
	return kind
}

// mischief is what a standIn does before it answers.
func (c *chaos) mischief(s *standIn) func(http.ResponseWriter, *http.Request, func()) bool {
	return func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		handled := func() *httptest.ResponseRecorder {
			answer := httptest.NewRecorder()
			s.handle(answer, r)
			return answer
		}
		switch kind := c.pick(r.Method == http.MethodPost); kind {
		case "":
			return false
		case "before":
			hangUp(w, nil)
		case "within":
			_, _ = io.CopyN(io.Discard, r.Body, 40)
			hangUp(w, nil)
		case "unanswered":
			handled()
			hangUp(w, nil)
		case "half an answer", "half a head":
			answer := handled()
			var b bytes.Buffer
			fmt.Fprintf(&b, "HTTP/1.1 %d Word\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", answer.Code, answer.Body.Len())
			head := b.Len()
			b.Write(answer.Body.Bytes())
			if kind == "half a head" {
				hangUp(w, b.Bytes()[:head/2])
			} else {
				hangUp(w, b.Bytes()[:head+answer.Body.Len()/2])
			}
		case "late":
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return true
			}
			again := r.Clone(context.Background())
			again.Body = io.NopCloser(bytes.NewReader(body))
			c.mu.Lock()
			c.late, c.wait = append(c.late, func() { s.handle(httptest.NewRecorder(), again) }), 1+c.random.IntN(3)
			c.mu.Unlock()
			hangUp(w, nil)
		case "500 handled":
			handled()
			reply(w, http.StatusInternalServerError, map[string]any{"detail": "Failed to store import data: the background task"})
		case "500":
			reply(w, http.StatusInternalServerError, map[string]any{"detail": "Failed to store import data: rolled back"})
		case "a page of a proxy":
			handled()
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>please wait</html>")
		case "429":
			w.Header().Set("Retry-After", "7")
			reply(w, http.StatusTooManyRequests, map[string]any{"detail": "slow down"})
		case "502", "503":
			code := http.StatusBadGateway
			if kind == "503" {
				code = http.StatusServiceUnavailable
			}
			w.WriteHeader(code)
		}
		return true
	}
}

// hangUp closes the connection behind some bytes.
func hangUp(w http.ResponseWriter, text []byte) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = connection.Write(text)
	_ = connection.Close()
}

// TestStoredOnce sends imports through connections that drop, again and again until it succeeds.
// Whatever happens on the way, each is stored once, with all of its rows.
func TestStoredOnce(t *testing.T) {
	t.Parallel()
	seeds := 200
	if testing.Short() { // as the race detector runs it
		seeds = 60
	}
	did := make(map[string]int)
	failures := make(map[string]int)
	var mu sync.Mutex
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 5))
			stand, server := newStandIn(t)
			c := &chaos{random: random, share: 0.2 + 0.6*random.Float64(), did: make(map[string]int)}
			stand.lists = random.IntN(2) == 0
			stand.mischief = c.mischief(stand)
			client := newClient(server.URL)
			client.Retries = 1 + random.IntN(5)
			n := 1 + random.IntN(1500)
			parts := 1
			if stand.lists && random.IntN(3) == 0 {
				client.Batch = 1 + random.IntN(n)
				parts = (n + client.Batch - 1) / client.Batch
				if parts > 8 {
					client.Batch, parts = n, 1
				}
				if parts > 1 {
					c.share /= 2 // all of them must come through in one go
				}
			}
			var result *Result
			var err error
			for try := 0; ; try++ {
				if result, err = client.Send(t.Context(), servers(n)); err == nil {
					break
				}
				mu.Lock()
				for kind, sentinel := range map[string]error{"in doubt": ErrInDoubt, "refused": ErrRefused, "cannot ask": ErrCannotAsk} {
					if errors.Is(err, sentinel) {
						failures[kind]++
					}
				}
				mu.Unlock()
				checkSecret(t, err.Error())
				if try == 1000 {
					t.Fatalf("still: %v", err)
				}
			}
			checkStored(t, stand, result, n, parts)
			mu.Lock()
			defer mu.Unlock()
			for kind, times := range c.did {
				did[kind] += times
			}
		})
	}
	t.Cleanup(func() {
		if len(did) < 12 {
			t.Errorf("of all that can happen only this did: %v", did)
		}
		t.Logf("what happened: %v; what a send ended with: %v", did, failures)
	})
}

// checkStored compares what the server has with what was to be sent.
func checkStored(t *testing.T, stand *standIn, result *Result, n, parts int) {
	t.Helper()
	stand.mu.Lock()
	defer stand.mu.Unlock()
	if len(stand.imports) != parts || len(result.Parts) != parts {
		t.Fatalf("%d imports are stored, and %d told of; want %d", len(stand.imports), len(result.Parts), parts)
	}
	row := 0
	for i, imp := range stand.imports {
		if p := result.Parts[i]; p.ImportID != imp.id || p.Sent != int64(len(imp.rows)) || p.Kept != p.Sent || p.Stored != p.Sent {
			t.Errorf("part %+v, and stored is %s with %d rows", p, imp.id, len(imp.rows))
		}
		for _, text := range imp.rows {
			row++
			if !strings.HasPrefix(string(text), fmt.Sprintf(`{"Name": "srv-%d\t\u00e9", "Memory <GB>": 9007199254740993`, row)) {
				t.Fatalf("row %d is %s", row, text)
			}
		}
	}
	if row != n {
		t.Errorf("%d rows, want %d", row, n)
	}
}

// checkSecret fails when a text holds the token, in whatever form.
func checkSecret(t *testing.T, text string) {
	t.Helper()
	for _, form := range []string{secret, "s3cr3t", "with%2Bsigns"} {
		if strings.Contains(text, form) {
			t.Errorf("the token stands in %q", text)
		}
	}
}

// TestDoubtWithoutAsking sends once, and never again.
func TestDoubtWithoutAsking(t *testing.T) {
	t.Parallel()
	stand, server := newStandIn(t)
	stand.mischief = func(w http.ResponseWriter, _ *http.Request, handle func()) bool {
		hangUp(w, nil)
		return true
	}
	client := newClient(server.URL)
	client.Ask = AskNone
	_, err := client.Send(t.Context(), servers(3))
	if !errors.Is(err, ErrInDoubt) || strings.Join(stand.seen(), "|") != "POST /api/v1/data-import/store-import" {
		t.Errorf("got %v after %q", err, stand.seen())
	}
}

// TestUnsent tries again without asking what was never sent: nobody listens there.
func TestUnsent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.URL
	server.Close()
	client := newClient(address)
	client.Ask, client.Retries = AskNone, 3
	var steps []string
	client.Step = func(s Step) { steps = append(steps, s.What) }
	_, err := client.Send(t.Context(), servers(3))
	if err == nil || errors.Is(err, ErrInDoubt) || strings.Count(strings.Join(steps, "|"), "not sent") != 4 {
		t.Errorf("got %v, %q", err, steps)
	}
}

// TestSourceFails ends with the source's own error, and nothing is stored of a half.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	stand, server := newStandIn(t)
	broken := errors.New("the disk is gone")
	imp := servers(5000)
	passes := 0
	whole := imp.Records
	imp.Records = func(yield func(*importers.Record, error) bool) {
		passes++
		for record, err := range whole {
			if passes > 1 && record.Number == 4000 {
				yield(nil, broken)
				return
			}
			if !yield(record, err) {
				return
			}
		}
	}
	_, err := newClient(server.URL).Send(t.Context(), imp)
	if !errors.Is(err, broken) || len(stand.imports) != 0 || passes != 2 {
		t.Errorf("got %v, %d imports, %d passes", err, len(stand.imports), passes)
	}
}
