package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// What can go wrong beside what live names, for callers that choose an exit code by it.
var (
	// ErrOtherSystem: the folder holds WAL of another cluster, or of another history of this one.
	ErrOtherSystem = errors.New("the folder holds other WAL")
	// ErrBadFolder: a file in the folder is in the way.
	ErrBadFolder = errors.New("a file is in the way")
	// ErrFolderInUse: another fetch writes into the folder.
	ErrFolderInUse = errors.New("the folder is in use")
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

// failure makes an error about this server.
func (s *Server) failure(op string, sentinel, cause error, hint string) error {
	return s.endpoint.Failure(op, sentinel, cause, hint)
}

// connectHint says what helps when the server takes no replication connection.
func (s *Server) connectHint(said *pgconn.PgError) string {
	switch {
	case said.Code == codeInvalidAuthorization && said.Routine == hbaRoutine:
		return fmt.Sprintf("pg_hba.conf needs a line for replication, such as `host replication %s ADDRESS/32 scram-sha-256`, "+
			"and a reload; `all` as its database does not cover replication", s.endpoint.User)
	case said.Code == codeNoPrivilege:
		return s.grantHint()
	case said.Code == codeTooManyConnections:
		return "max_wal_senders bounds replication connections; 0, as with wal_level=minimal, allows none"
	}
	return ""
}

func (s *Server) grantHint() string {
	return "a superuser lets the role do it: ALTER ROLE " + pg.QuoteIdent(s.endpoint.User) + " REPLICATION"
}

// commandFailure explains why a replication command failed.
func (s *Server) commandFailure(ctx context.Context, op string, err error) error {
	if ctx.Err() == nil {
		switch live.Code(err) {
		case codeNoPrivilege:
			return s.failure(op, live.ErrDenied, err, s.grantHint())
		case codeObjectInUse:
			return s.failure(op, ErrSlotInUse, err, "another program streams from it; name another slot")
		}
	}
	return s.endpoint.StatementFailure(ctx, op, err, ErrNoWAL)
}
