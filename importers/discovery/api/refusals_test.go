package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// every writes an error with all errors within it.
func every(err error) string {
	if err == nil {
		return ""
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	var place *evidence.Error
	if errors.As(err, &place) {
		text += " " + place.Hint
	}
	switch wrapped := err.(type) {
	case interface{ Unwrap() error }:
		text += " " + every(wrapped.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range wrapped.Unwrap() {
			text += " " + every(inner)
		}
	}
	return text
}

// TestFinal answers what does not get better: it is sent once, and the token is in no error, however
// loud the server repeats it.
func TestFinal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code int
		kind error
	}{{400, ErrRefused}, {401, ErrDenied}, {403, ErrDenied}, {404, ErrRefused}, {409, ErrRefused}, {413, ErrRefused}, {422, ErrRefused}, {302, ErrAddress}, {200, ErrRefused}}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.code), func(t *testing.T) {
			t.Parallel()
			stand, server := newStandIn(t)
			stand.mischief = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
				if r.Method != http.MethodPost {
					return false
				}
				w.Header().Set("Location", "https://elsewhere.example/"+secret)
				reply(w, test.code, map[string]any{
					"success": false, "detail": map[string]any{"error": "incomplete_discovery_flow_exists", "authorization": r.Header.Get("Authorization"), "escaped": url.QueryEscape(secret)},
				})
				return true
			}
			client := newClient(server.URL)
			var steps []string
			client.Step = func(s Step) { steps = append(steps, fmt.Sprintf("%+v", s)) }
			result, err := client.Send(t.Context(), servers(3))
			if !errors.Is(err, test.kind) || strings.Count(strings.Join(stand.seen(), "|"), "POST") != 1 {
				t.Errorf("got %v after %q", err, stand.seen())
			}
			if test.code != 302 && !strings.Contains(err.Error(), "incomplete_discovery_flow_exists") {
				t.Errorf("%v does not say what the server says", err)
			}
			written, marshalErr := json.Marshal(result)
			if marshalErr != nil {
				t.Fatal(marshalErr)
			}
			checkSecret(t, every(err)+strings.Join(steps, " ")+string(written))
		})
	}
}

// TestTokenStays sends the token, and the tenant, to no other place.
func TestTokenStays(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, code := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(method, code), func(t *testing.T) {
				t.Parallel()
				visits := 0
				elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits++ }))
				defer elsewhere.Close()
				stand, server := newStandIn(t)
				stand.mischief = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
					if r.Method != method {
						return false
					}
					w.Header().Set("Location", elsewhere.URL+r.URL.Path)
					w.WriteHeader(code)
					return true
				}
				_, err := newClient(server.URL).Send(t.Context(), servers(3))
				if !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), elsewhere.URL) || len(stand.imports) != 0 {
					t.Errorf("got %v", err)
				}
				if elsewhere.Close(); visits != 0 {
					t.Errorf("the other place was visited %d times", visits)
				}
			})
		}
	}
}

// TestRedirectWithin follows the server to another path of its own, as it redirects to a slash.
func TestRedirectWithin(t *testing.T) {
	t.Parallel()
	stand, server := newStandIn(t)
	stand.mischief = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if path, slash := strings.CutSuffix(r.URL.Path, "/"); slash {
			r.URL.Path = path
			return false
		}
		target := r.URL.Path + "/"
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
		return true
	}
	if _, err := newClient(server.URL+"/api/v1/").Send(t.Context(), servers(2000)); err != nil || len(stand.imports) != 1 {
		t.Errorf("%v, %d imports", err, len(stand.imports))
	}
	stand.mischief = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		http.Redirect(w, r, r.URL.Path+"x", http.StatusTemporaryRedirect)
		return true
	}
	if _, err := newClient(server.URL).Send(t.Context(), servers(2)); !errors.Is(err, ErrAddress) {
		t.Errorf("in circles: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                               "must begin with https://",
		"host:8000":                      "must begin with https://",
		"ftp://host":                     "must begin with https://",
		"https://":                       "must begin with https://",
		"https://me:s3cr3t@host":         "more than a host and a path",
		"https://me:" + secret + "@host": "cannot be read",
		"https://host/?token=" + secret:  "more than a host and a path",
		"https://host:" + secret:         "cannot be read",
		"http://192.0.2.1":               "a token would go over the network without TLS",
		"http://localhost.example":       "a token would go over the network without TLS",
	} {
		client := newClient(address)
		_, err := client.Send(t.Context(), servers(1))
		if !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", address, err, want)
		}
		checkSecret(t, every(err))
	}
}

// TestTLS trusts no certificate that nobody vouches for, and then sends nothing.
func TestTLS(t *testing.T) {
	t.Parallel()
	stand := &standIn{t: t, lists: true, token: secret}
	server := httptest.NewUnstartedServer(stand)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	client := newClient(server.URL)
	_, err := client.Send(t.Context(), servers(1))
	if !errors.Is(err, ErrAddress) || len(stand.seen()) != 0 || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v after %q", err, stand.seen())
	}
	client.HTTP = server.Client()
	if _, err = client.Send(t.Context(), servers(1)); err != nil || len(stand.imports) != 1 {
		t.Errorf("got %v", err)
	}
}

// TestProxy goes through the proxy of the transport, as net/http does.
func TestProxy(t *testing.T) {
	t.Parallel()
	stand := &standIn{t: t, lists: true, token: secret}
	var hosts []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.URL.Host)
		stand.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	place, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := newClient("http://backend.example:8000")
	client.Plain = true
	client.HTTP = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(place)}}
	if _, err := client.Send(t.Context(), servers(1)); err != nil || len(stand.imports) != 1 || strings.Join(hosts, "|") != "backend.example:8000|backend.example:8000" {
		t.Errorf("got %v by %q", err, hosts)
	}
}

// TestTimeout gives a request up that is not answered, asks, and sends again.
func TestTimeout(t *testing.T) {
	t.Parallel()
	stand, server := newStandIn(t)
	posts := 0
	stand.mischief = func(_ http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method != http.MethodPost {
			return false
		}
		if posts++; posts > 1 {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done() // until the client hangs up
		return true
	}
	client := newClient(server.URL)
	client.Timeout = 2 * time.Second
	result, err := client.Send(t.Context(), servers(3))
	if err != nil || len(stand.imports) != 1 || result.Parts[0].Attempts != 2 {
		t.Errorf("got %+v, %v", result, err)
	}
}

// TestCanceled ends when a person ends it, and says that the request may have been stored.
func TestCanceled(t *testing.T) {
	t.Parallel()
	stand, server := newStandIn(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stand.mischief = func(_ http.ResponseWriter, r *http.Request, handle func()) bool {
		if r.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client hangs up
			cancel()
			<-r.Context().Done()
		}
		return r.Method == http.MethodPost
	}
	_, err := newClient(server.URL).Send(ctx, servers(3))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrInDoubt) {
		t.Errorf("got %v", err)
	}
	if _, err := newClient(server.URL).Send(ctx, servers(3)); !errors.Is(err, context.Canceled) || len(stand.imports) != 0 {
		t.Errorf("canceled before: %v", err)
	}
}

// TestKnown meets imports that are there already, in whole, in part, and others of the name.
func TestKnown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before func(s *standIn)
		ask    Ask
		latest bool // the server has no list
		kind   error
		there  bool
		note   string
		text   string
	}{
		{name: "nothing"},
		{name: "done by hand", before: func(s *standIn) { s.put(servers(5).Filename, rows(5)) }, there: true},
		{name: "done by hand, the latest", before: func(s *standIn) { s.put(servers(5).Filename, rows(5)) }, latest: true, there: true},
		{name: "another count", before: func(s *standIn) { s.put(servers(5).Filename, rows(6)) }},
		{name: "another name", before: func(s *standIn) { s.put("other.csv", rows(5)) }},
		{name: "beneath 250 others", before: func(s *standIn) {
			s.put(servers(5).Filename, rows(5))
			for i := range 250 {
				s.put(fmt.Sprint("other", i), rows(1))
			}
		}, there: true},
		{name: "rows that were lost", before: func(s *standIn) {
			s.put(servers(5).Filename, rows(5))
			s.imports[0].lost = 2
		}, kind: ErrRefused, text: "3 of its 5 rows are left"},
		{name: "other rows", before: func(s *standIn) { s.put(servers(5).Filename, append(rows(4), json.RawMessage(`{"Name":"x"}`))) }, kind: ErrRefused, text: "1 of 5 rows"},
		{name: "other rows, and no question", before: func(s *standIn) { s.put(servers(5).Filename, append(rows(4), json.RawMessage(`{"Name":"x"}`))) }, ask: AskNone},
		{name: "only the latest is told", before: func(s *standIn) { s.put("other.csv", rows(1)) }, latest: true, kind: ErrCannotAsk, text: "which is other.csv"},
		{name: "the latest is enough", before: func(s *standIn) { s.put("other.csv", rows(1)) }, latest: true, ask: AskLatest},
		{name: "no question is answered", before: func(s *standIn) { s.lists, s.latest = false, false }, kind: ErrCannotAsk, text: "404"},
		{name: "no question is answered, and none is asked", before: func(s *standIn) { s.lists, s.latest = false, false }, ask: AskNone},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			stand, server := newStandIn(t)
			stand.lists = !test.latest
			if test.before != nil {
				test.before(stand)
			}
			had := len(stand.imports)
			client := newClient(server.URL)
			client.Ask = test.ask
			result, err := client.Send(t.Context(), servers(5))
			stored := len(stand.imports) - had
			switch {
			case test.kind != nil:
				if !errors.Is(err, test.kind) || stored != 0 || !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %v, stored %d", err, stored)
				}
			case err != nil:
				t.Error(err)
			case result.Parts[0].There != test.there || (stored == 0) != test.there || result.Parts[0].Note != test.note:
				t.Errorf("got %+v, stored %d", result.Parts[0], stored)
			}
		})
	}
}

// TestServerDrops counts what the server keeps by its own rules.
func TestServerDrops(t *testing.T) {
	t.Parallel()
	stand, server := newStandIn(t)
	imp := servers(3)
	imp.Head.Header = []string{"Name", "null", "tags"}
	imp.Records = func(yield func(*importers.Record, error) bool) {
		for record := range made(3) {
			if record.Number != 2 {
				record.Fields[1] = importers.Field{Kind: importers.Missing}
			}
			if !yield(record, nil) {
				return
			}
		}
	}
	client := newClient(server.URL)
	result, err := client.Send(t.Context(), imp)
	if err != nil || result.Parts[0].Sent != 3 || result.Parts[0].Kept != 2 || result.Parts[0].Stored != 2 || result.Parts[0].Note != "" {
		t.Errorf("got %+v, %v", result, err)
	}
	if result, err = client.Send(t.Context(), imp); err != nil || !result.Parts[0].There || len(stand.imports) != 1 {
		t.Errorf("again: %+v, %v", result, err)
	}
}

// TestUnsendable rejects what the server's database cannot store, and sends the rest.
func TestUnsendable(t *testing.T) {
	t.Parallel()
	stand, server := newStandIn(t)
	imp := servers(3)
	imp.Records = func(yield func(*importers.Record, error) bool) {
		for record := range made(3) {
			if record.Number == 2 {
				record.Fields[0].Text = []byte("x\x00y")
			}
			if !yield(record, nil) {
				return
			}
		}
	}
	client := newClient(server.URL)
	if _, err := client.Send(t.Context(), imp); !errors.Is(err, ErrRefused) || len(stand.imports) != 0 {
		t.Errorf("nobody takes rejects: %v", err)
	}
	var rejects []string
	imp.Rejects = func(r *importers.Reject) error {
		rejects = append(rejects, fmt.Sprintf("%d %d %s %s", r.Number, r.Line, r.Column, r.Reason))
		return nil
	}
	result, err := client.Send(t.Context(), imp)
	if err != nil || result.Parts[0].Sent != 2 || len(stand.imports[0].rows) != 2 || len(rejects) != 1 || !strings.HasPrefix(rejects[0], "2 3 Name the server cannot store it") {
		t.Errorf("got %+v, %v, rejects %q", result, err, rejects)
	}
}

// TestEmpty sends nothing: the application refuses it.
func TestEmpty(t *testing.T) {
	t.Parallel()
	stand, server := newStandIn(t)
	if _, err := newClient(server.URL).Send(t.Context(), servers(0)); !errors.Is(err, discovery.ErrEmpty) || len(stand.seen()) != 0 {
		t.Errorf("got %v", err)
	}
}
