// Package journal keeps a file of JSON lines that only grows, and shows when
// somebody changed it; and the lock of the folder that it lies in.
//
//   - chain: each line carries the SHA-256 of the bytes of the line before, without its
//     newline. The first line has none.
//   - End: how far a chain goes. Whoever remembers it elsewhere finds a chain that
//     was cut.
//   - torn: a last line without its newline, as a power cut leaves it. The next line
//     ends it, and it stays a line of the chain.
//   - Lock: the hold of the one process that writes.
package journal

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
)

// End is how far a chain goes.
type End struct {
	Lines int64
	Hash  string // of the last line; "": there is none
	Torn  bool   // the last line has no newline
}

// LongestLine bounds what is kept of a line to be parsed; hashed is all of it.
const LongestLine = 4 << 20

// Visit is told of a line: its number, its bytes without the newline, their hash.
type Visit func(n int64, line []byte, hash string) error

// Scan visits each line. A last line without newline counts too. visit may be nil.
func Scan(r io.Reader, visit Visit) (End, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var end End
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
		if len(line)+len(piece) <= LongestLine {
			line = append(line, piece...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if !begun {
			return end, nil
		}
		end = End{Lines: end.Lines + 1, Hash: hex.EncodeToString(digest.Sum(nil)), Torn: !whole}
		if visit != nil {
			if err := visit(end.Lines, line, end.Hash); err != nil {
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

// Read scans a file; one that is not there has no lines.
func Read(path string, visit Visit) (End, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return End{}, nil
	}
	if err != nil {
		return End{}, err
	}
	defer file.Close()
	return Scan(file, visit)
}

// Append adds a line behind end, with one write, and makes it durable. line makes
// the value of the line from its number and the hash of the line before. A line that
// the system tore is ended first.
func Append(path string, end End, line func(seq int64, previous string) any) (End, error) {
	var text bytes.Buffer
	if end.Torn {
		text.WriteByte('\n')
	}
	from := text.Len()
	encoder := json.NewEncoder(&text) // ends the line
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line(end.Lines+1, end.Hash)); err != nil {
		return end, err
	}
	_, missing := os.Lstat(path)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return end, err
	}
	_, err = file.Write(text.Bytes())
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil && missing != nil {
		err = SyncFolder(filepath.Dir(path))
	}
	if err != nil {
		return end, err
	}
	sum := sha256.Sum256(bytes.TrimSuffix(text.Bytes()[from:], []byte("\n")))
	return End{Lines: end.Lines + 1, Hash: hex.EncodeToString(sum[:])}, nil
}

// SyncFolder makes a new name in a folder durable.
func SyncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
