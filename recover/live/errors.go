package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// What can go wrong with a connection, for callers that choose an exit code by it.
var (
	// ErrBadDSN: the connection string makes no sense.
	ErrBadDSN = errors.New("bad connection string")
	// ErrDenied: the server does not let this role in, or not do this.
	ErrDenied = errors.New("denied by the server")
	// ErrUnreachable: there is no server, or it takes no connection now.
	ErrUnreachable = errors.New("no connection")
	// ErrLost: the server went away in the middle.
	ErrLost = errors.New("the connection was lost")
	// ErrReadOnly: the server, the database or the session takes no writes.
	ErrReadOnly = errors.New("the server takes no writes")
	// ErrTimeout: a statement or a lock took longer than the session allows.
	ErrTimeout = errors.New("the server took too long")
	// ErrLocked: somebody held a lock for longer than that.
	ErrLocked = fmt.Errorf("%w: somebody holds a lock", ErrTimeout)
	// ErrRefused: the server refused a statement for another reason.
	ErrRefused = errors.New("the server refused the statement")
)

// SQLSTATEs that decide what an error means (errcodes.txt).
const (
	codeUndefinedDatabase    = "3D000"
	codeInvalidPassword      = "28P01"
	codeInvalidAuthorization = "28000"
	codeNoPrivilege          = "42501"
	codeTooManyConnections   = "53300"
	codeReadOnlyTransaction  = "25006"
	codeQueryCanceled        = "57014"
	codeLockNotAvailable     = "55P03"
	codeUndefinedFunction    = "42883"
)

// Code is the SQLSTATE of an error that a server sent, or "".
func Code(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}

// Message is what a server said, without operation and place; of another error all of it.
func Message(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Message
	}
	return err.Error()
}

// Constraint is the constraint that an error of a server is about, or "".
func Constraint(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.ConstraintName
	}
	return ""
}

func failure(op, place string, sentinel, cause error, hint string) error {
	return &evidence.Error{Op: op, Place: place, Err: evidence.OfKind(sentinel, cause), Hint: hint}
}

// masked reads without the secrets that its cause has in its text.
type masked struct {
	text  string
	cause error
}

func (m *masked) Error() string { return m.text }

// As lets the server's error be found by its SQLSTATE. The rest of the chain stays
// hidden: its texts have the secrets.
func (m *masked) As(target any) bool {
	if want, ok := target.(**pgconn.PgError); ok {
		return errors.As(m.cause, want)
	}
	return false
}

// Is finds the sentinels of the cause.
func (m *masked) Is(target error) bool { return errors.Is(m.cause, target) }

// mask replaces secrets in the text of an error.
func mask(err error, secrets []string) error {
	text := err.Error()
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	if text == err.Error() {
		return err
	}
	return &masked{text: text, cause: err}
}

// said reads as the server's message alone: severity and SQLSTATE are for programs.
type said struct{ *pgconn.PgError }

func (s said) Error() string {
	if s.Detail == "" {
		return s.Message
	}
	return s.Message + " (" + strings.ReplaceAll(s.Detail, "\n", " ") + ")"
}
func (s said) Unwrap() error { return s.PgError }

// Endpoint is where a connection goes to.
type Endpoint struct {
	User string `json:"user"`
	Host string `json:"host"`
	Port uint16 `json:"port"`

	secrets []string // what no message may hold
}

// EndpointOf is where a configuration leads first.
func EndpointOf(config *pgconn.Config) Endpoint {
	return Endpoint{User: config.User, Host: config.Host, Port: config.Port, secrets: []string{config.Password}}
}

// String is user@host:port.
func (e Endpoint) String() string {
	if strings.HasPrefix(e.Host, "/") {
		return fmt.Sprintf("%s@[%s]:%d", e.User, e.Host, e.Port)
	}
	return fmt.Sprintf("%s@%s:%d", e.User, e.Host, e.Port)
}

// Failure makes an error of one of the kinds above. The text has no password in
// it, whatever the libraries below put there; of an answer of the server it is the
// message alone.
func (e Endpoint) Failure(op string, sentinel, cause error, hint string) error {
	var answer *pgconn.PgError
	if errors.As(cause, &answer) {
		cause = said{answer}
	}
	return failure(op, e.String(), sentinel, mask(cause, e.secrets), hint)
}

// ConnectFailure explains why there is no connection. advise gives a better hint
// for what the server said, or ""; it may be nil.
func (e Endpoint) ConnectFailure(ctx context.Context, err error, advise func(*pgconn.PgError) string) error {
	const op = "connect to"
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", op, e, ctx.Err())
	}
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return e.Failure(op, ErrUnreachable, dialCause(err), "is the server up, and do host and port (--dsn, PGHOST, PGPORT, PGSERVICE) name it?")
	}
	sentinel, hint := ErrUnreachable, "the server says why it takes no connection now"
	switch answer.Code {
	case codeInvalidPassword:
		sentinel, hint = ErrDenied, "the password comes from .pgpass, PGPASSWORD, a service file or the DSN; there is no flag for it"
	case codeInvalidAuthorization, codeNoPrivilege:
		sentinel, hint = ErrDenied, ""
	case codeUndefinedDatabase:
		hint = "name the database with dbname= in the DSN or PGDATABASE"
	}
	if advise != nil {
		if better := advise(answer); better != "" {
			hint = better
		}
	}
	return e.Failure(op, sentinel, answer, hint)
}

// dialCause is what pgconn says of its attempts, which may be several: hosts,
// addresses, with and without TLS. Of a single one it is the reason alone.
func dialCause(err error) error {
	var outer *pgconn.ConnectError
	if !errors.As(err, &outer) {
		return err
	}
	text := strings.Join(strings.Fields(outer.Unwrap().Error()), " ")
	var single *net.OpError
	if len(outer.Config.Fallbacks) == 0 && errors.As(err, &single) {
		text = single.Err.Error()
	}
	return evidence.OfKind(outer.Unwrap(), errors.New(text))
}

// fatal reports whether the server ends the session with this message.
func fatal(answer *pgconn.PgError) bool {
	return strings.EqualFold(answer.Severity, "FATAL") || strings.EqualFold(answer.SeverityUnlocalized, "FATAL")
}

const hintLocks = "somebody may hold a lock: look into pg_stat_activity and pg_locks"

// StatementFailure explains why a statement or a command failed. An error that the
// server did not send is a lost connection. other is the kind of what is none of
// the general ones.
func (e Endpoint) StatementFailure(ctx context.Context, op string, err, other error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return e.Failure(op, ErrLost, err, "")
	}
	sentinel, hint := other, ""
	switch {
	case answer.Code == codeNoPrivilege:
		sentinel = ErrDenied
	case answer.Code == codeReadOnlyTransaction:
		sentinel, hint = ErrReadOnly, "is it a standby, or is default_transaction_read_only set?"
	case fatal(answer):
		sentinel = ErrLost
	case answer.Code == codeQueryCanceled:
		sentinel, hint = ErrTimeout, hintLocks
	case answer.Code == codeLockNotAvailable:
		sentinel, hint = ErrLocked, hintLocks
	}
	return e.Failure(op, sentinel, answer, hint)
}
