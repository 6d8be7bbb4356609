package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// DefaultSocket is where Docker listens unless somebody says otherwise.
const DefaultSocket = "/var/run/docker.sock"

// The kinds of failures.
var (
	// ErrNone: no engine listens there.
	ErrNone = errors.New("no engine listens")
	// ErrDenied: this user may not ask it.
	ErrDenied = errors.New("permission denied")
	// ErrUnknown: the engine does not know what it was asked for.
	ErrUnknown = errors.New("not known to the engine")
)

const (
	// longestAnswer bounds what is read of an answer that is no log.
	longestAnswer = 64 << 20
	// patience is how long an engine may take until it begins to answer.
	patience = 10 * time.Second
)

// Engine is the engine that listens at a socket.
type Engine struct {
	socket string
	client *http.Client
}

// SocketOf is the path of a socket in the form of DOCKER_HOST; "" is DefaultSocket. An engine on
// another machine has none: pgrescue asks nobody over the network unasked.
func SocketOf(host string) (path string, ok bool) {
	if host == "" {
		return DefaultSocket, true
	}
	if path, ok = strings.CutPrefix(host, "unix://"); ok {
		return path, path != ""
	}
	return host, strings.HasPrefix(host, "/")
}

// At is the engine at a socket. Nobody is asked yet.
func At(socket string) *Engine {
	dialer := &net.Dialer{Timeout: patience}
	return &Engine{socket: socket, client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		ResponseHeaderTimeout: patience,
		MaxIdleConns:          1,
	}}}
}

// Close ends idle connections.
func (e *Engine) Close() { e.client.CloseIdleConnections() }

// Socket is where the engine listens.
func (e *Engine) Socket() string { return e.socket }

// get asks for a path of the Engine API, in the version that the engine itself prefers.
func (e *Engine) get(ctx context.Context, op, path string, query url.Values) (io.ReadCloser, error) {
	address := url.URL{Scheme: "http", Host: "engine", Path: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("containers: %s: %w", op, err)
	}
	response, err := e.client.Do(request)
	if err != nil {
		return nil, e.unreached(op, err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	var problem struct {
		Message string `json:"message"`
	}
	if json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&problem) != nil || problem.Message == "" {
		problem.Message = response.Status
	}
	err = fmt.Errorf("containers: %s at %s: %s", op, e.socket, problem.Message)
	if response.StatusCode == http.StatusNotFound {
		err = evidence.OfKind(ErrUnknown, err)
	}
	return nil, err
}

// unreached says why an engine did not answer.
func (e *Engine) unreached(op string, err error) error {
	var address *url.Error
	if errors.As(err, &address) { // its text names an address that nobody typed
		err = address.Err
	}
	told := fmt.Errorf("containers: %s at %s: %w", op, e.socket, err)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return evidence.OfKind(ErrNone, told)
	case errors.Is(err, fs.ErrPermission):
		return evidence.OfKind(ErrDenied, told)
	}
	return told
}

// ask reads an answer in JSON.
func (e *Engine) ask(ctx context.Context, op, path string, query url.Values, answer any) error {
	body, err := e.get(ctx, op, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	limited := &io.LimitedReader{R: body, N: longestAnswer}
	if err := json.NewDecoder(limited).Decode(answer); err != nil {
		if limited.N <= 0 {
			return fmt.Errorf("containers: %s at %s: the answer is longer than %d MB", op, e.socket, longestAnswer>>20)
		}
		return fmt.Errorf("containers: %s at %s: the answer is no JSON of an engine: %w", op, e.socket, err)
	}
	return nil
}
