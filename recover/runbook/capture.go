package runbook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
)

const (
	// defaultKeep is how much of an output is kept.
	defaultKeep = 64 << 20
	// longestLine is how much of a line secrets are looked for in at once.
	longestLine = 64 << 10
)

// capture saves an output line by line without its secrets, up to a limit, counts
// what comes behind it, and shows what it saves.
type capture struct {
	file  *os.File
	show  io.Writer
	mask  func(string) string
	keep  int64
	line  []byte
	sum   hash.Hash
	err   error // of saving; the block goes on
	saved Saved
}

func (t *Tools) capture(path string, show io.Writer) (*capture, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	c := &capture{file: file, show: show, mask: t.Mask, keep: t.Keep, sum: sha256.New()}
	if c.keep == 0 {
		c.keep = defaultKeep
	}
	c.saved.File = filepath.Base(path)
	return c, nil
}

// Write never fails: a full disk must not end the block.
func (c *capture) Write(p []byte) (int, error) {
	c.saved.Bytes += int64(len(p))
	if c.saved.Kept >= c.keep {
		c.saved.Cut = true
		c.line = nil
		return len(p), nil
	}
	for rest := p; len(rest) > 0; {
		piece := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			piece = rest[:end+1]
		}
		piece = piece[:min(len(piece), longestLine-len(c.line))]
		c.line = append(c.line, piece...)
		rest = rest[len(piece):]
		if c.line[len(c.line)-1] == '\n' || len(c.line) == longestLine {
			c.flush()
		}
	}
	return len(p), nil
}

func (c *capture) flush() {
	text := c.line
	if c.mask != nil {
		text = []byte(c.mask(string(c.line)))
	}
	c.line = c.line[:0]
	c.saved.Cut = c.saved.Cut || int64(len(text)) > c.keep-c.saved.Kept
	text = text[:min(int64(len(text)), c.keep-c.saved.Kept)]
	if len(text) == 0 || c.err != nil {
		return
	}
	n, err := c.file.Write(text)
	c.saved.Kept += int64(n)
	c.sum.Write(text[:n])
	c.err = err
	if c.show != nil {
		if _, err := c.show.Write(text); err != nil {
			c.show = nil // nobody looks any more
		}
	}
}

func (c *capture) close() error {
	if len(c.line) > 0 && c.saved.Kept < c.keep {
		c.flush()
	}
	c.saved.SHA256 = hex.EncodeToString(c.sum.Sum(nil))
	return errors.Join(c.err, c.file.Close())
}
