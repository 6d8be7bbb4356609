package stream

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// applicationName is how the connection shows in pg_stat_replication.
const applicationName = "pgrescue/wal-fetch"

// Server is a replication connection to a server. Its methods are called one
// after the other.
type Server struct {
	config      *pgconn.Config
	conn        *pgconn.PgConn
	endpoint    live.Endpoint
	identity    Identity
	segmentSize uint32
	pause       func(ctx context.Context, pause time.Duration) error // rest, but for tests
}

// Identity says which server it is.
type Identity struct {
	live.Endpoint
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
		i.Endpoint, i.Version, i.SystemIdentifier, i.Timeline, i.LSN, i.SegmentSize>>20)
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
	s := &Server{config: config, endpoint: live.EndpointOf(config), pause: rest}
	s.identity = Identity{Endpoint: s.endpoint}
	if s.conn, err = pgconn.ConnectConfig(ctx, config); err != nil {
		return nil, s.endpoint.ConnectFailure(ctx, err, s.connectHint)
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
	config, err := live.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if renamed, ok := live.WithDatabase(dsn, "replication"); ok {
		if other, err := live.ParseDSN(renamed); err == nil && other.Password != "" {
			config = other
		}
	}
	config.MaxProtocolMessageBodyLen = maxMessage
	config.RuntimeParams["replication"] = "true"
	config.RuntimeParams["application_name"] = applicationName
	return config, nil
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
