package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// DSN is the connection string of a database over the server's socket, in
// libpq's keyword form. The session is set up as an oracle: UTC, ISO dates.
func (c *Cluster) DSN(db string) string {
	_, port, _ := c.Socket()
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s application_name=pgrescue TimeZone=UTC DateStyle=ISO IntervalStyle=postgres",
		quoteDSN(c.socketDir()), port, Superuser, quoteDSN(db))
}

// TCPDSN is the connection string of a database over the loopback address, with
// the password in it. It is empty while the server is stopped or without
// Options.TCP.
func (c *Cluster) TCPDSN(db string) string {
	srv := c.running()
	if srv == nil || !c.tcp {
		return ""
	}
	return fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s dbname=%s sslmode=disable",
		srv.port, Superuser, c.password, quoteDSN(db))
}

// LibpqDSN is DSN for programs that use libpq, such as psql and pg_dump: without
// the session settings, which libpq does not take as keywords.
func (c *Cluster) LibpqDSN(db string) string {
	dsn, _, _ := strings.Cut(c.DSN(db), " TimeZone=")
	return dsn
}

// Socket is where a superuser's psql reaches the running server: PGHOST, PGPORT and PGUSER.
func (c *Cluster) Socket() (host, port, user string) {
	number := socketPort
	if srv := c.running(); srv != nil {
		number = srv.port
	}
	return c.socketDir(), strconv.Itoa(number), Superuser
}

func quoteDSN(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// Connect opens a session in a database. The caller closes it.
func (c *Cluster) Connect(ctx context.Context, db string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, c.DSN(db))
	if err != nil {
		return nil, fmt.Errorf("cluster: connect to %s: %w", db, err)
	}
	return conn, nil
}

// with runs f in a session of its own.
func (c *Cluster) with(ctx context.Context, db string, f func(conn *pgx.Conn) error) error {
	conn, err := c.Connect(ctx, db)
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close(context.WithoutCancel(ctx)))
}

// Exec runs SQL texts one after the other in one session. Each text goes by the
// simple protocol: several statements in one text are one transaction unless
// they say otherwise, and VACUUM or CREATE DATABASE need a text of their own.
func (c *Cluster) Exec(ctx context.Context, db string, sql ...string) error {
	return c.with(ctx, db, func(conn *pgx.Conn) error { return execAll(ctx, conn, sql...) })
}

func execAll(ctx context.Context, conn *pgx.Conn, sql ...string) error {
	for _, text := range sql {
		if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
			return fmt.Errorf("cluster: run %s: %w", excerpt(text), err)
		}
	}
	return nil
}

// Session is one session, for what must happen in one: transactions over several
// calls, locks, temporary tables.
type Session struct{ conn *pgx.Conn }

// Session opens a session in a database. The caller closes it.
func (c *Cluster) Session(ctx context.Context, db string) (*Session, error) {
	conn, err := c.Connect(ctx, db)
	if err != nil {
		return nil, err
	}
	return &Session{conn}, nil
}

// Exec runs SQL texts one after the other, as Cluster.Exec does.
func (s *Session) Exec(ctx context.Context, sql ...string) error {
	return execAll(ctx, s.conn, sql...)
}

// Value runs a query as Cluster.Value does.
func (s *Session) Value(ctx context.Context, query string) (string, error) {
	return queryValue(ctx, s.conn, query)
}

// CopyOut gives the rows of a query as Cluster.CopyOut does.
func (s *Session) CopyOut(ctx context.Context, query string) ([]byte, error) {
	var out bytes.Buffer
	if err := copyQuery(ctx, s.conn.PgConn(), &out, query); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Close ends the session.
func (s *Session) Close(ctx context.Context) error {
	if err := s.conn.Close(ctx); err != nil {
		return fmt.Errorf("cluster: close session: %w", err)
	}
	return nil
}

// ServerMessage is what the server itself said in an error of Exec and its like,
// such as "ERROR: relation … does not exist"; empty if it was not the server.
func ServerMessage(err error) string {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return ""
	}
	return said.Severity + ": " + said.Message
}

// Value runs a query and gives the first column of its first row as text: NULL
// and no row are both empty.
func (c *Cluster) Value(ctx context.Context, db, query string) (string, error) {
	var value string
	err := c.with(ctx, db, func(conn *pgx.Conn) (err error) {
		value, err = queryValue(ctx, conn, query)
		return err
	})
	return value, err
}

func queryValue(ctx context.Context, conn *pgx.Conn, query string) (string, error) {
	results, err := conn.PgConn().Exec(ctx, query).ReadAll()
	if err != nil {
		return "", fmt.Errorf("cluster: run %s: %w", excerpt(query), err)
	}
	if len(results) == 0 {
		return "", nil
	}
	last := results[len(results)-1]
	if len(last.Rows) == 0 || len(last.Rows[0]) == 0 {
		return "", nil
	}
	return string(last.Rows[0][0]), nil
}

// CopyOut gives the rows of a query in COPY's text format, the oracle for values.
func (c *Cluster) CopyOut(ctx context.Context, db, query string) ([]byte, error) {
	var out bytes.Buffer
	if err := c.CopyTo(ctx, &out, db, query); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// CopyTo writes the rows of a query to w in COPY's text format.
func (c *Cluster) CopyTo(ctx context.Context, w io.Writer, db, query string) error {
	return c.with(ctx, db, func(conn *pgx.Conn) error { return copyQuery(ctx, conn.PgConn(), w, query) })
}

func copyQuery(ctx context.Context, conn *pgconn.PgConn, w io.Writer, query string) error {
	if _, err := conn.CopyTo(ctx, w, "COPY ("+query+") TO STDOUT"); err != nil {
		return fmt.Errorf("cluster: copy %s: %w", excerpt(query), err)
	}
	return nil
}

// CopyIn reads rows in COPY's text format into a table, named as SQL names it.
func (c *Cluster) CopyIn(ctx context.Context, r io.Reader, db, table string) error {
	return c.with(ctx, db, func(conn *pgx.Conn) error {
		if _, err := conn.PgConn().CopyFrom(ctx, r, "COPY "+table+" FROM STDIN"); err != nil {
			return fmt.Errorf("cluster: copy into %s: %w", table, err)
		}
		return nil
	})
}

// CurrentLSN is the place where the next WAL record goes (pg_current_wal_insert_lsn).
func (c *Cluster) CurrentLSN(ctx context.Context) (pg.LSN, error) {
	text, err := c.Value(ctx, "postgres", "SELECT pg_current_wal_insert_lsn()")
	if err != nil {
		return 0, err
	}
	return pg.ParseLSN(text)
}

// excerpt is the beginning of an SQL text, for error messages.
func excerpt(sql string) string {
	const most = 120
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) > most {
		return sql[:most] + "…"
	}
	return sql
}
