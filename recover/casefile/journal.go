package casefile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// The events of the journal.
const (
	EventBegin = "begin"
	EventEnd   = "end"
	EventNote  = "note"
)

// JournalLine is one line of journal.jsonl. Previous is the SHA-256 of the bytes of
// the line before, without its newline; the first line has none.
type JournalLine struct {
	Seq        int64    `json:"seq"` // the number of the line, from 1
	Event      string   `json:"event"`
	Of         int64    `json:"of,omitempty"`   // of an end: the line of its begin
	Case       string   `json:"case,omitempty"` // of a begin: the case's name
	Time       string   `json:"time"`
	Who        string   `json:"who,omitempty"`
	Host       string   `json:"host,omitempty"`
	Command    string   `json:"command,omitempty"`
	Version    string   `json:"version,omitempty"`
	Argv       []string `json:"argv,omitempty"`
	ExitCode   *int     `json:"exit_code,omitempty"`
	DurationMS *int64   `json:"duration_ms,omitempty"`
	Kept       *bool    `json:"kept,omitempty"` // of an end: whether what the run found is in the case
	Note       string   `json:"note,omitempty"`
	Previous   string   `json:"previous"`
}

// journalEnd is how far a journal goes.
type journalEnd struct {
	lines int64
	hash  string // of the last line; "": there is none
	torn  bool   // the last line has no newline
}

// longestLine bounds what is kept of a line to be parsed; hashed is all of it.
const longestLine = 4 << 20

// scanJournal calls visit for each line with its number, its bytes without the
// newline and their hash. A last line without newline counts too.
func scanJournal(r io.Reader, visit func(n int64, line []byte, hash string) error) (journalEnd, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var end journalEnd
	var line []byte
	digest := sha256.New()
	begun := false
	for {
		piece, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return end, err
		}
		begun = begun || len(piece) > 0
		whole := err == nil
		piece = bytes.TrimSuffix(piece, []byte("\n"))
		digest.Write(piece)
		if len(line)+len(piece) <= longestLine {
			line = append(line, piece...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if !begun {
			return end, nil
		}
		end.lines++
		end.hash = hex.EncodeToString(digest.Sum(nil))
		end.torn = !whole
		if visit != nil {
			if err := visit(end.lines, line, end.hash); err != nil {
				return end, err
			}
		}
		if !whole {
			return end, nil
		}
		line, begun = line[:0], false
		digest.Reset()
	}
}

// readJournal scans the journal of the case; one that is not there has no lines.
func (c *Case) readJournal(visit func(n int64, line []byte, hash string) error) (journalEnd, error) {
	file, err := os.Open(filepath.Join(c.dir, JournalName))
	if errors.Is(err, fs.ErrNotExist) {
		return journalEnd{}, nil
	}
	if err != nil {
		return journalEnd{}, err
	}
	defer file.Close()
	return scanJournal(file, visit)
}

// appendJournal adds a line behind end, with one write, and makes it durable. A
// line that the system tore before is ended first, and stays a line of the chain.
func (c *Case) appendJournal(end journalEnd, line JournalLine) (journalEnd, error) {
	line.Seq, line.Previous = end.lines+1, end.hash
	if line.Time == "" {
		line.Time = pg.FormatTime(time.Now())
	}
	var text bytes.Buffer
	if end.torn {
		text.WriteByte('\n')
	}
	from := text.Len()
	encoder := json.NewEncoder(&text) // ends the line
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		return end, err
	}
	path := filepath.Join(c.dir, JournalName)
	_, missing := os.Lstat(path)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return end, err
	}
	_, err = file.Write(text.Bytes())
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil && missing != nil {
		err = syncFolder(c.dir)
	}
	if err != nil {
		return end, err
	}
	sum := sha256.Sum256(bytes.TrimSuffix(text.Bytes()[from:], []byte("\n")))
	return journalEnd{lines: line.Seq, hash: hex.EncodeToString(sum[:])}, nil
}

// syncFolder makes a new name in a folder durable.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
