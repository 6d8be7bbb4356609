package containers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"
)

// WriteLog writes what a container printed, each line behind its time, as `docker logs --timestamps` does. What it printed
// for people and as errors stands in the order in which it came.
func (e *Engine) WriteLog(ctx context.Context, c *Container, since time.Time, w io.Writer) error {
	op := "read the log of container " + c.Name
	query := url.Values{"stdout": {"1"}, "stderr": {"1"}, "timestamps": {"1"}}
	if !since.IsZero() {
		query.Set("since", strconv.FormatInt(since.Unix(), 10))
	}
	body, err := e.get(ctx, op, "/containers/"+url.PathEscape(c.ID)+"/logs", query)
	if err != nil {
		return err
	}
	defer body.Close()
	if c.tty { // a terminal has one stream, and no frames
		_, err = io.Copy(w, body)
	} else {
		err = unframe(w, body)
	}
	if err != nil {
		return fmt.Errorf("containers: %s at %s: %w", op, e.socket, err)
	}
	return nil
}

// unframe writes the content of frames, each of which has a head of 8 bytes: which stream it is of, three
// zeros, and its length. A frame that is cut off is written as far as it goes.
func unframe(w io.Writer, r io.Reader) error {
	var head [8]byte
	for at := int64(0); ; {
		n, err := io.ReadFull(r, head[:])
		if errors.Is(err, io.EOF) && n == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the frame at byte %d is cut off: %w", at, err)
		}
		if head[0] > 2 || head[1] != 0 || head[2] != 0 || head[3] != 0 {
			return fmt.Errorf("no frame begins at byte %d", at)
		}
		size := int64(binary.BigEndian.Uint32(head[4:]))
		copied, err := io.CopyN(w, r, size)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("the frame at byte %d has %d of its %d bytes: %w", at, copied, size, err)
		}
		at += int64(len(head)) + size
	}
}
