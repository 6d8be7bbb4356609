package backups

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"time"
)

// mostSQL bounds how much of a SQL dump is read.
const mostSQL = 64 << 20

// readSQL looks through the beginning of a SQL dump for the tables whose rows it has. whole: r was read to its end.
func readSQL(r io.Reader, b *Backup) (whole bool, err error) {
	s := &sqlScan{backup: b, copying: -1}
	limited := &io.LimitedReader{R: r, N: mostSQL}
	reader := bufio.NewReaderSize(limited, 64<<10)
	begins := true
	for {
		piece, err := reader.ReadSlice('\n')
		if begins {
			s.line(bytes.TrimRight(piece, "\r\n"))
		}
		begins = err == nil
		switch {
		case err == io.EOF:
			whole = limited.N > 0
			s.end(whole)
			return whole, nil
		case err != nil && err != bufio.ErrBufferFull:
			s.end(false)
			return false, err
		}
	}
}

// sqlScan follows the lines of a SQL dump.
type sqlScan struct {
	backup  *Backup
	copying int // the table whose rows stand here; -1: none
	done    bool
}

func (s *sqlScan) line(line []byte) {
	if s.copying >= 0 {
		if string(line) == `\.` {
			s.copying = -1
			return
		}
		s.backup.Tables[s.copying].Rows++
		return
	}
	text := string(line[:min(len(line), 1024)])
	switch {
	case strings.HasPrefix(text, "COPY ") && strings.HasSuffix(strings.TrimSpace(text), "FROM stdin;"):
		s.copying = s.table(strings.TrimPrefix(text, "COPY "))
	case strings.HasPrefix(text, "COPY ") && len(line) > 1024:
		s.copying = s.table(strings.TrimPrefix(text, "COPY "))
	case strings.HasPrefix(text, "INSERT INTO "):
		s.backup.Tables[s.table(strings.TrimPrefix(text, "INSERT INTO "))].Rows++
	case strings.HasPrefix(text, "-- Dumped from database version "):
		s.backup.Server = strings.TrimPrefix(text, "-- Dumped from database version ")
	case strings.HasPrefix(text, "-- Started on "):
		s.started(strings.TrimPrefix(text, "-- Started on "))
	case strings.HasPrefix(text, `\connect `) && s.backup.Database == "":
		s.backup.Database = strings.Trim(strings.TrimPrefix(text, `\connect `), `"`)
	case strings.HasPrefix(text, "-- PostgreSQL database dump complete"), strings.HasPrefix(text, "-- PostgreSQL database cluster dump complete"):
		s.done = true
	}
}

// table finds or adds the table that a statement names first.
func (s *sqlScan) table(rest string) int {
	name, _ := sqlName(rest)
	schema := ""
	if first, more := sqlName(rest); strings.HasPrefix(more, ".") {
		schema = first
		name, _ = sqlName(more[1:])
	}
	at := slices.IndexFunc(s.backup.Tables, func(t Table) bool { return t.Schema == schema && t.Name == name })
	if at < 0 {
		s.backup.Tables = append(s.backup.Tables, Table{Schema: schema, Name: name})
		at = len(s.backup.Tables) - 1
	}
	return at
}

// sqlName reads an identifier, quoted or not.
func sqlName(text string) (name, rest string) {
	if strings.HasPrefix(text, `"`) {
		for i := 1; i < len(text); i++ {
			if text[i] != '"' {
				continue
			}
			if i+1 < len(text) && text[i+1] == '"' {
				i++
				continue
			}
			return strings.ReplaceAll(text[1:i], `""`, `"`), text[i+1:]
		}
		return text[1:], ""
	}
	if at := strings.IndexAny(text, " .(;"); at >= 0 {
		return text[:at], text[at:]
	}
	return text, ""
}

// started reads the time that pg_dump --verbose writes: with the abbreviation of a zone, of which only UTC is one moment.
func (s *sqlScan) started(text string) {
	clock, zone, _ := strings.Cut(strings.Replace(text, " ", "T", 1), " ")
	if at, err := time.Parse("2006-01-02T15:04:05", clock); err == nil && s.backup.Begun.IsZero() {
		s.backup.Begun, s.backup.ZoneUnknown = at, zone != "UTC" && zone != "GMT"
	}
}

// end says what the end of the stretch means.
func (s *sqlScan) end(whole bool) {
	s.backup.Whole = whole
	switch {
	case whole && !s.done:
		s.backup.Broken = "the line that ends every dump of pg_dump is missing: it is cut"
	case !whole && s.copying >= 0:
		s.backup.Tables[s.copying].Rows = -1
	}
}
