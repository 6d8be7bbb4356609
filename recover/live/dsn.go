package live

import (
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ParseDSN reads a connection string: libpq's keywords or a URI. What it does not
// say comes from libpq's environment, the service file and .pgpass.
func ParseDSN(dsn string) (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, badDSN(dsn, err)
	}
	return config, nil
}

// WithDatabase names another database in a connection string.
func WithDatabase(dsn, database string) (string, bool) {
	if !isURI(dsn) {
		quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database)
		return dsn + " dbname='" + quoted + "'", true
	}
	uri, err := url.Parse(dsn)
	if err != nil {
		return "", false
	}
	uri.Path, uri.RawPath = "/"+database, "/"+url.PathEscape(database)
	return uri.String(), true
}

// isURI reports whether a connection string is a URI and not keywords.
func isURI(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
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
	return failure("read the connection string", "", ErrBadDSN, cause, hint)
}
