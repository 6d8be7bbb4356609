package stream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// applicationName is how the connection shows in pg_stat_replication.
const applicationName = "pgrescue/wal-fetch"

// Server is a replication connection to a server. Its methods are called one
// after the other.
type Server struct {
	config      *pgconn.Config
	conn        *pgconn.PgConn
	place       string   // user@host:port
	secrets     []string // what no message may hold
	identity    Identity
	segmentSize uint32
}

// Identity says which server it is.
type Identity struct {
	User             string        `json:"user"`
	Host             string        `json:"host"`
	Port             uint16        `json:"port"`
	Version          string        `json:"version"` // as the server prints it, such as 15.18
	SystemIdentifier uint64        `json:"system_identifier,string"`
	Timeline         pg.TimelineID `json:"timeline"`
	// LSN is how far the server had flushed its log when it was asked.
	LSN         pg.LSN `json:"lsn"`
	SegmentSize uint32 `json:"segment_size"`
}

// String is the identity on one line.
func (i Identity) String() string {
	return fmt.Sprintf("%s, PostgreSQL %s, system identifier %d, timeline %d, at %s, segments of %d MiB",
		i.place(), i.Version, i.SystemIdentifier, i.Timeline, i.LSN, i.SegmentSize>>20)
}

func (i Identity) place() string {
	if strings.HasPrefix(i.Host, "/") {
		return fmt.Sprintf("%s@[%s]:%d", i.User, i.Host, i.Port)
	}
	return fmt.Sprintf("%s@%s:%d", i.User, i.Host, i.Port)
}

// maxMessage bounds what one message of the server may take in memory. A piece of
// WAL has at most 128 kB (MAX_SEND_SIZE in walsender.c).
const maxMessage = 16 << 20

// closeWithin bounds the goodbye to a server that may not listen any more.
const closeWithin = 5 * time.Second

// Connect opens a replication connection and asks the server who it is. The
// connection string is libpq's, as keywords or as a URI; what it does not say
// comes from libpq's environment, the service file and .pgpass.
func Connect(ctx context.Context, dsn string) (*Server, error) {
	config, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	s := &Server{config: config, secrets: []string{config.Password}}
	s.identity = Identity{User: config.User, Host: config.Host, Port: config.Port}
	s.place = s.identity.place()
	if s.conn, err = pgconn.ConnectConfig(ctx, config); err != nil {
		return nil, s.connectFailure(ctx, err)
	}
	if err := s.identify(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Identity says which server it is, and how far its log was when it was asked last.
func (s *Server) Identity() Identity { return s.identity }

// Close ends the connection. A temporary slot goes with it.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	// The connection is given up; that it cannot say goodbye changes nothing.
	_ = s.conn.Close(ctx)
}

// parseDSN reads a connection string. For .pgpass and the password the database
// is called replication, as the programs that come with PostgreSQL do.
func parseDSN(dsn string) (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, badDSN(dsn, err)
	}
	if renamed, ok := withDatabase(dsn, "replication"); ok {
		if other, err := pgconn.ParseConfig(renamed); err == nil && other.Password != "" {
			config = other
		}
	}
	config.MaxProtocolMessageBodyLen = maxMessage
	config.RuntimeParams["replication"] = "true"
	config.RuntimeParams["application_name"] = applicationName
	return config, nil
}

// isURI reports whether a connection string is a URI and not keywords.
func isURI(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// withDatabase names another database in a connection string.
func withDatabase(dsn, database string) (string, bool) {
	if !isURI(dsn) {
		return dsn + " dbname=" + database, true
	}
	uri, err := url.Parse(dsn)
	if err != nil {
		return "", false
	}
	uri.Path = "/" + database
	return uri.String(), true
}

// badDSN explains what is wrong with a connection string, and does not repeat
// it: no program can tell for sure where in a malformed one the password is.
func badDSN(dsn string, err error) error {
	cause, hint := errors.New("it cannot be parsed"), "write it as libpq does: 'host=… port=… user=…', or postgres://user@host:port"
	broken := false
	if isURI(dsn) {
		_, parsing := url.Parse(dsn)
		broken = parsing != nil
	}
	var parse *pgconn.ParseConfigError
	switch {
	case broken:
		hint += "; in a URI special characters are percent-encoded"
	case errors.As(err, &parse) && parse.Unwrap() != nil:
		cause = parse.Unwrap()
	default:
		// The library's own words stand behind the string that it repeats.
		text := err.Error()
		if at := strings.LastIndex(text, "`: "); at >= 0 {
			cause = errors.New(text[at+len("`: "):])
		}
	}
	var none *Server
	return none.failure("read the connection string", ErrBadDSN, cause, hint)
}

// identify asks which server it is and where its log is now.
func (s *Server) identify(ctx context.Context) error {
	const op = "identify the server"
	system, err := pglogrepl.IdentifySystem(ctx, s.conn)
	if err != nil {
		return s.commandFailure(ctx, op, err)
	}
	s.identity.SystemIdentifier, err = strconv.ParseUint(system.SystemID, 10, 64)
	if err != nil {
		return s.failure(op, ErrNoWAL, fmt.Errorf("the system identifier: %w", err), "")
	}
	s.identity.Timeline, s.identity.LSN = pg.TimelineID(uint32(system.Timeline)), pg.LSN(system.XLogPos)
	s.identity.Version, _, _ = strings.Cut(s.conn.ParameterStatus("server_version"), " ")
	if s.segmentSize != 0 {
		return nil
	}
	size, err := s.show(ctx, "wal_segment_size")
	if err != nil {
		return s.commandFailure(ctx, op, err)
	}
	bytes, err := parseSize(size)
	if err != nil || bytes < 1<<20 || bytes > 1<<30 || bytes&(bytes-1) != 0 {
		return s.failure(op, ErrNoWAL, fmt.Errorf("%q is no size of a WAL segment", size), "")
	}
	s.segmentSize = uint32(bytes)
	s.identity.SegmentSize = s.segmentSize
	return nil
}

// show asks for a setting.
func (s *Server) show(ctx context.Context, name string) (string, error) {
	results, err := s.conn.Exec(ctx, "SHOW "+name).ReadAll()
	if err != nil {
		return "", err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1 {
		return "", fmt.Errorf("SHOW %s gave no value", name)
	}
	return string(results[0].Rows[0][0]), nil
}

// parseSize reads a size as SHOW prints it: a number and a unit (guc.c).
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "kMGTB")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no size", text)
	}
	for i, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if text[len(digits):] == unit || i == 0 && text == digits {
			if n < 0 || n > 1<<62>>(10*i) {
				return n, nil // -1 is no limit; more than fits is none either
			}
			return n << (10 * i), nil
		}
	}
	return 0, fmt.Errorf("%q is no size", text)
}
