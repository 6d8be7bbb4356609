package live

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Each runs a statement once for every value of its one parameter, each time in a
// transaction of its own, and all of them on their way at once. answer gets the number of
// the value and how it ended; what it returns ends the work. The session is in no
// transaction before.
func (c *Conn) Each(ctx context.Context, op, sql string, values []string, answer func(n int, err error) error) error {
	pipeline := c.raw.StartPipeline(ctx)
	for _, value := range values {
		pipeline.SendQueryParams(sql, Parameters(value), nil, nil, nil)
		pipeline.SendPipelineSync()
	}
	err := pipeline.Flush()
	var failed, stopped error
	for n := 0; err == nil && stopped == nil && n < len(values); {
		var result any
		result, err = pipeline.GetResults()
		switch reader := result.(type) {
		case *pgconn.ResultReader:
			_, err = reader.Close()
		case *pgconn.PipelineSync:
			stopped = answer(n, failed)
			failed = nil
			n++
		}
		var said *pgconn.PgError
		if errors.As(err, &said) && !fatal(said) {
			failed, err = c.Failure(ctx, op, err), nil
		}
	}
	if closed := pipeline.Close(); err == nil && stopped == nil {
		err = closed
	}
	if err != nil && stopped == nil {
		return c.Failure(ctx, op, err)
	}
	return stopped
}
