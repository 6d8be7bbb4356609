package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// What can go wrong, for callers that choose an exit code by it.
var (
	// ErrBadDSN: the connection string makes no sense.
	ErrBadDSN = errors.New("bad connection string")
	// ErrDenied: the server does not let this role in, or not replicate.
	ErrDenied = errors.New("denied by the server")
	// ErrUnreachable: there is no server, or it takes no connection now.
	ErrUnreachable = errors.New("no connection")
	// ErrLost: the server went away in the middle. What was fetched is kept.
	ErrLost = errors.New("the connection was lost")
	// ErrOtherSystem: the folder holds WAL of another cluster, or of another history of this one.
	ErrOtherSystem = errors.New("the folder holds other WAL")
	// ErrBadFolder: a file in the folder is in the way.
	ErrBadFolder = errors.New("a file is in the way")
	// ErrDisk: the system does not let us read or write there. What was fetched is kept.
	ErrDisk = errors.New("the disk does not let us")
	// ErrSlotInUse: somebody else streams from the slot.
	ErrSlotInUse = errors.New("the slot is in use")
	// ErrNoWAL: the server has nothing of what was asked for.
	ErrNoWAL = errors.New("the server does not have that WAL")
)

// errNoSlot: the server has no slot to spare.
var errNoSlot = errors.New("the server has no replication slot to spare")

// SQLSTATEs that the server answers with (errcodes.txt).
const (
	codeUndefinedFile        = "58P01"
	codeUndefinedParameter   = "42704"
	codeLimitExceeded        = "53400"
	codeWrongState           = "55000"
	codeDuplicateObject      = "42710"
	codeObjectInUse          = "55006"
	codeInvalidPassword      = "28P01"
	codeInvalidAuthorization = "28000"
	codeNoPrivilege          = "42501"
	codeTooManyConnections   = "53300"
)

// hbaRoutine is the function of the server that finds no line in pg_hba.conf
// (auth.c); its messages come in the server's language.
const hbaRoutine = "ClientAuthentication"

// removedRoutine is the function of the server that finds a segment removed while it is
// read (xlog.c). Its SQLSTATE follows from whatever error the system had last.
const removedRoutine = "CheckXLogRemoved"

// serverCode is the SQLSTATE of an error that the server sent, or "".
func serverCode(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}

// kind is an error that errors.Is finds by its sentinel and that reads as its cause.
type kind struct{ sentinel, cause error }

func (k *kind) Error() string   { return k.cause.Error() }
func (k *kind) Unwrap() []error { return []error{k.sentinel, k.cause} }

// failure makes an error of one of the kinds above. The text has no password in
// it, whatever the libraries below put there.
func (s *Server) failure(op string, sentinel, cause error, hint string) error {
	var place string
	if s != nil {
		place = s.place
		cause = mask(cause, s.secrets)
	}
	return &evidence.Error{Op: op, Place: place, Err: &kind{sentinel, cause}, Hint: hint}
}

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
	return errors.New(text)
}

// connectFailure explains why there is no connection.
func (s *Server) connectFailure(ctx context.Context, err error) error {
	const op = "connect to"
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", op, s.place, ctx.Err())
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return s.failure(op, ErrUnreachable, dialCause(err), "is the server up, and do host and port (--dsn, PGHOST, PGPORT, PGSERVICE) name it?")
	}
	cause := errors.New(said.Message)
	role := s.config.User
	switch said.Code {
	case codeInvalidPassword:
		return s.failure(op, ErrDenied, cause, "the password comes from .pgpass, PGPASSWORD, a service file or the DSN; there is no flag for it")
	case codeInvalidAuthorization:
		hint := ""
		if said.Routine == hbaRoutine {
			hint = fmt.Sprintf("pg_hba.conf needs a line for replication, such as `host replication %s ADDRESS/32 scram-sha-256`, "+
				"and a reload; `all` as its database does not cover replication", role)
		}
		return s.failure(op, ErrDenied, cause, hint)
	case codeNoPrivilege:
		return s.failure(op, ErrDenied, cause, fmt.Sprintf("a superuser lets the role do it: ALTER ROLE %s REPLICATION", pg.QuoteIdent(role)))
	case codeTooManyConnections:
		return s.failure(op, ErrUnreachable, cause, "max_wal_senders bounds replication connections; 0, as with wal_level=minimal, allows none")
	}
	return s.failure(op, ErrUnreachable, cause, "the server says why it takes no connection now")
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
	return &kind{outer.Unwrap(), errors.New(text)}
}

// commandFailure explains why a replication command failed.
func (s *Server) commandFailure(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	var said *pgconn.PgError
	switch {
	case !errors.As(err, &said):
		return s.failure(op, ErrLost, err, "")
	case said.Code == codeNoPrivilege:
		return s.failure(op, ErrDenied, errors.New(said.Message), "a superuser lets the role do it: ALTER ROLE "+pg.QuoteIdent(s.config.User)+" REPLICATION")
	case said.Code == codeObjectInUse:
		return s.failure(op, ErrSlotInUse, errors.New(said.Message), "another program streams from it; name another slot")
	case strings.EqualFold(said.Severity, "FATAL"), strings.EqualFold(said.SeverityUnlocalized, "FATAL"):
		return s.failure(op, ErrLost, errors.New(said.Message), "")
	}
	return s.failure(op, ErrNoWAL, errors.New(said.Message), "")
}
