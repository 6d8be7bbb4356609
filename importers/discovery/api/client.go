package api

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The kinds of errors of this package.
var (
	// ErrCannotAsk: the server does not tell which imports it has, so sending could double one.
	ErrCannotAsk = errors.New("the server does not tell which imports it has")
	// ErrInDoubt: a request may have been handled or not, and the server does not tell.
	ErrInDoubt = errors.New("in doubt")
	// ErrDenied: the server does not accept the token, or not for this tenant.
	ErrDenied = errors.New("the server denies it")
	// ErrRefused: the server does not take the import; sending it again changes nothing.
	ErrRefused = errors.New("the server refuses it")
	// ErrAddress: the address is none to which an import, or a token, is sent.
	ErrAddress = errors.New("not an address to send to")
)

// Ask says how the server is asked what it has.
type Ask string

// The ways of asking.
const (
	AskAll    Ask = ""       // for all imports of the tenant
	AskLatest Ask = "latest" // its latest import is enough of an answer
	AskNone   Ask = "none"   // not at all: a request whose answer does not come is not sent again
)

// Client sends imports to one server.
type Client struct {
	BaseURL string // such as https://host, with or without /api/v1
	Tenant  discovery.Tenant
	Token   func() string // what goes into Authorization; nil or "": nothing
	HTTP    *http.Client  // nil: net/http's own, with its proxies
	Ask     Ask
	Batch   int           // records of a request; 0: all
	Retries int           // how often a request is sent again; 0: five times, below: never
	Plain   bool          // send a token over a connection without TLS to another machine, too
	Timeout time.Duration // of one request with its answer; 0: half an hour

	Now  func() time.Time                                 // nil: time.Now
	Wait func(ctx context.Context, d time.Duration) error // nil: waits so long
	Step func(Step)                                       // told what happens; nil: nobody is
}

// Step is something that happened on the way, for people.
type Step struct {
	Part, Parts int    // which request of how many
	Attempt     int    // from 1
	What        string // such as "asking", "sending", "in doubt"
	Why         string // what led to it, without secrets
}

// Import is what is sent.
type Import struct {
	ID       string // a UUID, sent as the id of the upload; the same for the same import
	Filename string
	Size     int64  // of the source file, in bytes
	Type     string // as a browser would say: text/csv
	Category string // such as cmdb
	Head     *importers.Head
	Store    discovery.Store // as the application's browser sent them, or as they are
	// Records are read twice at least, and must be the same each time.
	Records iter.Seq2[*importers.Record, error]
	// Rejects takes the records that cannot be sent, each once. Nil: one of them is an error.
	Rejects importers.Rejects
}

// Result is what became of an import.
type Result struct {
	Parts []Part `json:"parts"` // one, or one for each batch
}

// Part is what became of one request.
type Part struct {
	Filename string `json:"filename"`
	ImportID string `json:"import_id"` // data_imports.id; "": the server did not say
	FlowID   string `json:"flow_id,omitempty"`
	Sent     int64  `json:"sent"`     // records
	Kept     int64  `json:"kept"`     // of them, by the server's rules
	Stored   int64  `json:"stored"`   // as the server says
	There    bool   `json:"there"`    // it was there already, and nothing was sent
	Attempts int    `json:"attempts"` // how often it was sent
	Note     string `json:"note,omitempty"`
}

// Send sends an import, unless the server has it already. Sending the same again is harmless.
func (c *Client) Send(ctx context.Context, imp Import) (*Result, error) {
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	parts, err := s.prepare(ctx, imp)
	if err != nil {
		return nil, err
	}
	result := &Result{}
	for i := range parts {
		part, err := s.send(ctx, &parts[i])
		if part != nil {
			result.Parts = append(result.Parts, *part)
		}
		if err != nil {
			return result, err
		}
	}
	return result, nil
}

// session is a client whose settings were checked.
type session struct {
	*Client
	base *url.URL
	http *http.Client
}

// session checks the client's settings.
func (c *Client) session() (*session, error) {
	base, err := address(c.BaseURL)
	if err != nil {
		return nil, err
	}
	if c.token() != "" && base.Scheme == "http" && !c.Plain && !loopback(base.Hostname()) {
		return nil, &evidence.Error{
			Op: "api: send to", Place: base.Host, Err: evidence.OfKind(ErrAddress, errors.New("a token would go over the network without TLS")),
			Hint: "use https, or an SSH tunnel to localhost",
		}
	}
	s := &session{Client: c, base: base}
	client := http.Client{}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.http = &client
	return s, nil
}

func (c *Client) token() string {
	if c.Token == nil {
		return ""
	}
	return c.Token()
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) retries() int {
	switch {
	case c.Retries == 0:
		return 5
	case c.Retries < 0:
		return 0
	}
	return c.Retries
}

func (c *Client) step(p *part, attempt int, what, why string) {
	if c.Step != nil {
		c.Step(Step{Part: p.number, Parts: p.of, Attempt: attempt, What: what, Why: c.clean(why)})
	}
}

// pause waits before the next try, longer each time.
func (c *Client) pause(ctx context.Context, attempt int, asked time.Duration) error {
	d := min(time.Second<<min(attempt, 5), 30*time.Second)
	if asked > 0 {
		d = min(asked, 5*time.Minute)
	}
	if c.Wait != nil {
		return c.Wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// problem makes an error of this package, without secrets.
func (s *session) problem(p *part, kind, cause error, hint string) error {
	place := s.base.Host
	if p != nil {
		place = p.filename + " to " + place
	}
	return &evidence.Error{Op: "api: send", Place: place, Err: evidence.OfKind(kind, &cleaned{s.clean(cause.Error()), cause}), Hint: hint}
}

// cleaned is an error without the secrets in its text.
type cleaned struct {
	text  string
	cause error
}

func (c *cleaned) Error() string { return c.text }

// Is finds a person's interruption; nothing else of the cause is shown, since its text may have secrets.
func (c *cleaned) Is(target error) bool {
	return (target == context.Canceled || target == context.DeadlineExceeded) && errors.Is(c.cause, target)
}
