package preserve

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strconv"
	"time"

	"github.com/pgrescue/pgrescue/recover/live"
)

// serverTree is a folder of the server's machine, which the server itself reads: paths are those of
// its data directory unless they begin with a slash. These functions look at files and at no
// table, so they prune nothing.
type serverTree struct {
	conn *live.Conn
	root string
}

const listFolderSQL = `SELECT d.name, s.size, (extract(epoch FROM s.modification) * 1000000)::bigint, s.isdir
FROM pg_catalog.pg_ls_dir($1::text, true, false) AS d(name), LATERAL pg_catalog.pg_stat_file($1::text || '/' || d.name, true) AS s
WHERE s.size IS NOT NULL ORDER BY 1`

func (t serverTree) list(ctx context.Context, dir string) (list []entry, err error) {
	err = t.conn.Query(ctx, "list a folder at", listFolderSQL, live.Parameters(t.path(dir)), func(row [][]byte) error {
		size, err := strconv.ParseInt(string(row[1]), 10, 64)
		micros, err2 := strconv.ParseInt(string(row[2]), 10, 64)
		list = append(list, entry{string(row[0]), size, time.UnixMicro(micros), string(row[3]) == "t"})
		return errors.Join(err, err2)
	})
	return list, err
}

func (t serverTree) path(file string) string {
	file = path.Join(t.root, file)
	if file == "" {
		return "."
	}
	return file
}

func (t serverTree) open(ctx context.Context, file string) (io.ReadCloser, error) {
	r := &serverFile{ctx: ctx, conn: t.conn, path: t.path(file)}
	if err := r.fetch(); err != nil {
		return nil, err
	}
	return r, nil
}

// serverFile reads a file piece by piece.
type serverFile struct {
	ctx    context.Context
	conn   *live.Conn
	path   string
	piece  []byte
	offset int64
	ended  bool
}

// pieceSize is how much of a file one statement reads.
const pieceSize = 4 << 20

func (r *serverFile) fetch() error {
	reader := r.conn.PgConn().ExecParams(r.ctx, "SELECT pg_catalog.pg_read_binary_file($1::text, $2::bigint, $3::bigint, true)",
		live.Parameters(r.path, strconv.FormatInt(r.offset, 10), strconv.Itoa(pieceSize)), nil, nil, []int16{1})
	gone := true
	r.piece = r.piece[:0]
	for reader.NextRow() {
		if value := reader.Values()[0]; value != nil {
			gone, r.piece = false, append(r.piece, value...)
		}
	}
	if _, err := reader.Close(); err != nil {
		return r.conn.Failure(r.ctx, "read a file at", err)
	}
	if gone && r.offset == 0 {
		return fs.ErrNotExist
	}
	r.offset += int64(len(r.piece))
	r.ended = len(r.piece) < pieceSize
	return nil
}

func (r *serverFile) Read(to []byte) (int, error) {
	if len(r.piece) == 0 {
		if r.ended {
			return 0, io.EOF
		}
		if err := r.fetch(); err != nil {
			return 0, err
		}
		if len(r.piece) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(to, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

func (r *serverFile) Close() error { return nil }

// lost reports whether an error ends all work and not only that with one file.
func lost(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, live.ErrLost)
}
