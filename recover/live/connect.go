package live

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Mode says whether a session may write.
type Mode int

// The modes.
const (
	// Read: every transaction of the session is read-only unless it says otherwise.
	Read Mode = iota
	// Write leaves the server's default, which may be read-only too.
	Write
)

// Options says what a session is for.
type Options struct {
	// Command shows as application_name: pgrescue/ and this, such as restore-plan.
	Command string
	Mode    Mode
	// Database is instead of the one that the DSN names, if it is not "".
	Database string
	// ClientEncoding is that of the values which are sent and read; "" is UTF8.
	ClientEncoding string
	// StatementTimeout and LockTimeout end what takes longer; 0 takes the mode's
	// default, and a negative one is no limit.
	StatementTimeout, LockTimeout time.Duration
}

// The defaults of the timeouts. A lock that is not free soon is held by somebody who
// works there, and waiting for one makes others wait behind us.
const (
	readStatementTimeout = 10 * time.Minute
	lockTimeout          = 10 * time.Second
)

// closeWithin bounds the goodbye to a server that may not listen any more.
const closeWithin = 5 * time.Second

// Conn is a session of a database. Its methods are called one after the other.
type Conn struct {
	raw      *pgconn.PgConn
	endpoint Endpoint
	database string
	mode     Mode
	readOnly bool // what the server's default was
}

// Connect opens a session and sets it up. The connection string is libpq's.
func Connect(ctx context.Context, dsn string, options Options) (*Conn, error) {
	if options.Database != "" {
		named, ok := WithDatabase(dsn, options.Database)
		if !ok {
			return nil, badDSN(dsn, errors.New("it is no URI"))
		}
		dsn = named
	}
	config, err := ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if config.Database == "" {
		config.Database = config.User // as the server would
	}
	for name, value := range settings(options) {
		config.RuntimeParams[name] = value
	}
	c := &Conn{endpoint: EndpointOf(config), database: config.Database, mode: options.Mode}
	if c.raw, err = pgconn.ConnectConfig(ctx, config); err != nil {
		return nil, c.endpoint.ConnectFailure(ctx, err, connectHint)
	}
	if err := c.setMode(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func connectHint(answer *pgconn.PgError) string {
	switch {
	case answer.Code == codeTooManyConnections:
		return "max_connections is used up; a superuser has some kept back (superuser_reserved_connections)"
	case strings.Contains(answer.Message, "startup parameter"):
		return "it looks like a connection pooler; connect to the server itself"
	}
	return ""
}

// settings is what the session asks for as it starts.
func settings(options Options) map[string]string {
	encoding, statement := options.ClientEncoding, options.StatementTimeout
	if encoding == "" {
		encoding = "UTF8"
	}
	if statement == 0 && options.Mode == Read {
		statement = readStatementTimeout
	}
	lock := options.LockTimeout
	if lock == 0 {
		lock = lockTimeout
	}
	return map[string]string{
		"application_name":   "pgrescue/" + options.Command,
		"client_encoding":    encoding,
		"DateStyle":          "ISO, YMD",
		"IntervalStyle":      "postgres",
		"TimeZone":           "UTC",
		"extra_float_digits": "1",
		"bytea_output":       "hex",
		// A policy that hides rows must be an error, and never rows that seem not to be there.
		"row_security":                        "off",
		"standard_conforming_strings":         "on",
		"client_min_messages":                 "warning",
		"statement_timeout":                   milliseconds(statement),
		"lock_timeout":                        milliseconds(lock),
		"idle_in_transaction_session_timeout": "0",
	}
}

func milliseconds(d time.Duration) string {
	if d <= 0 {
		return "0"
	}
	return strconv.FormatInt(max(1, d.Milliseconds()), 10)
}

// setMode is the first thing that the session runs. It does not go with the start, so
// that the server's own default is known.
func (c *Conn) setMode(ctx context.Context) error {
	const op = "set up the session at"
	value, err := c.Value(ctx, op, "SELECT current_setting('default_transaction_read_only')")
	if err != nil {
		return err
	}
	c.readOnly = value == "on"
	if c.mode == Write {
		return nil
	}
	return c.Exec(ctx, op, "SET default_transaction_read_only = on")
}

// Close ends the session; a transaction that is open is rolled back.
func (c *Conn) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	// The connection is given up; that it cannot say goodbye changes nothing.
	_ = c.raw.Close(ctx)
}

// PgConn is the connection itself, for COPY and the extended protocol.
func (c *Conn) PgConn() *pgconn.PgConn { return c.raw }

// Endpoint is where the session goes to.
func (c *Conn) Endpoint() Endpoint { return c.endpoint }

// Database is the database that the session is in.
func (c *Conn) Database() string { return c.database }

// Failure explains why a statement failed.
func (c *Conn) Failure(ctx context.Context, op string, err error) error {
	return c.endpoint.StatementFailure(ctx, op, err, ErrRefused)
}

// Exec runs statements that give nothing, as one text of the simple protocol.
func (c *Conn) Exec(ctx context.Context, op, sql string) error {
	if _, err := c.raw.Exec(ctx, sql).ReadAll(); err != nil {
		return c.Failure(ctx, op, err)
	}
	return nil
}

// Query runs one statement with parameters as text, nil for NULL, and calls each for
// every row. The row is the caller's until each returns. An error of each ends the
// query and is returned as it is.
func (c *Conn) Query(ctx context.Context, op, sql string, parameters [][]byte, each func(row [][]byte) error) error {
	reader := c.raw.ExecParams(ctx, sql, parameters, nil, nil, nil)
	var stopped error
	for reader.NextRow() {
		if stopped = each(reader.Values()); stopped != nil {
			break
		}
	}
	_, err := reader.Close()
	if stopped != nil {
		return stopped
	}
	if err != nil {
		return c.Failure(ctx, op, err)
	}
	return nil
}

// Value runs a statement that gives one value; NULL is "".
func (c *Conn) Value(ctx context.Context, op, sql string, parameters ...string) (string, error) {
	value, found := "", false
	err := c.Query(ctx, op, sql, Parameters(parameters...), func(row [][]byte) error {
		value, found = string(row[0]), true
		return nil
	})
	if err == nil && !found {
		err = c.endpoint.Failure(op, ErrRefused, fmt.Errorf("the statement gave no row"), "")
	}
	return value, err
}

// Parameters makes parameters of texts.
func Parameters(texts ...string) [][]byte {
	parameters := make([][]byte, len(texts))
	for i, text := range texts {
		parameters[i] = []byte(text)
	}
	return parameters
}
