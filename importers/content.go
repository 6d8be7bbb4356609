package importers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// content is what the beginning of a file says of it.
type content struct {
	format Format // "": it is no source
	why    string // it is none
	hint   string
}

// mark is how files of other programs begin.
type mark struct {
	offset    int
	bytes     string
	why, hint string
}

func marks() []mark {
	const unpack = "unpack it, and name the files"
	const decompress = "decompress it, or compress it with gzip or zstd"
	return []mark{
		{0, "%PDF-", "a PDF document", "export the table as .csv or .xlsx where it was made"},
		{0, "\x89PNG\r\n\x1a\n", "an image", ""},
		{0, "\xFF\xD8\xFF", "an image", ""},
		{0, "GIF8", "an image", ""},
		{0, "\x7FELF", "a program", ""},
		{0, "MZ", "a program", ""},
		{0, "\xCF\xFA\xED\xFE", "a program", ""},
		{0, "SQLite format 3\x00", "an SQLite database", "export its table: sqlite3 -csv -header FILE 'SELECT * FROM t'"},
		{0, "PGDMP", "a dump of pg_dump", "restore it into another database; it is no source file"},
		{0, "PAR1", "a Parquet file", "convert it to CSV, as DuckDB does: COPY (FROM 'FILE') TO 'FILE.csv'"},
		{0, "Obj\x01", "an Avro file", "convert it to JSON with avro-tools tojson"},
		{0, "ORC", "an ORC file", "convert it to CSV"},
		{0, "7z\xBC\xAF\x27\x1C", "a 7-Zip archive", unpack},
		{0, "Rar!\x1A\x07", "a RAR archive", unpack},
		{257, "ustar", "a tar archive", unpack},
		{0, "\x1F\x9D", "a file that is compressed with compress", decompress},
		{0, "\xFF\xFE\x00\x00", "a text in UTF-32", "convert it to UTF-8: iconv -f UTF-32 -t UTF-8 FILE"},
		{0, "\x00\x00\xFE\xFF", "a text in UTF-32", "convert it to UTF-8: iconv -f UTF-32 -t UTF-8 FILE"},
		{0, "\x04\x22\x4D\x18", "a file that is compressed with lz4", decompress},
		{0, "{\\rtf", "a text document (RTF)", "copy its table into a workbook, and save that as .xlsx or .csv"},
		{0, "-----BEGIN PGP", "an encrypted file", "decrypt it and name what comes out"},
		{0, "Salted__", "an encrypted file", "decrypt it and name what comes out"},
		{0, "age-encryption.org/", "an encrypted file", "decrypt it and name what comes out"},
	}
}

// contentOf says what begins with head, behind which the CompoundDirectory may stand. Text without the look of a table is taken when it was named or its name says CSV.
func contentOf(head []byte, name string, named bool) content {
	if len(head) == 0 {
		return content{why: "an empty file", hint: hintCopy}
	}
	for _, m := range marks() {
		if len(head) > m.offset && bytes.HasPrefix(head[m.offset:], []byte(m.bytes)) {
			return content{why: m.why, hint: m.hint}
		}
	}
	if IsCompound(head) {
		return compoundOf(head)
	}
	if found, ok := databaseOf(head); ok {
		return found
	}
	return textOf(head, name, named)
}

// databaseOf recognises files of a PostgreSQL data directory.
func databaseOf(head []byte) (content, bool) {
	if len(head) < 24 {
		return content{}, false
	}
	// xlp_magic and xlp_info of XLogPageHeaderData: 0xD1nn since version 12, and only the low 4 bits.
	if head[1] == 0xD1 && head[3] == 0 && head[2] < 16 {
		return content{why: "a segment of PostgreSQL's WAL", hint: "read it with pgrescue wal or undelete"}, true
	}
	// pd_pagesize_version of PageHeaderData: 8192 and layout version 4.
	lower, upper, special := binary.LittleEndian.Uint16(head[12:]), binary.LittleEndian.Uint16(head[14:]), binary.LittleEndian.Uint16(head[16:])
	if binary.LittleEndian.Uint16(head[18:]) == 0x2004 && lower >= 24 && lower <= upper && upper <= special && special <= 8192 {
		return content{why: "a file of a PostgreSQL relation", hint: "read it with pgrescue heap or undelete"}, true
	}
	return content{}, false
}

// textOf tells the texts apart.
func textOf(head []byte, name string, named bool) content {
	encoding := DetectEncoding(head)
	decoded, _, err := DecodeText(bytes.NewReader(head), encoding)
	if err != nil {
		return content{why: err.Error()}
	}
	text, err := io.ReadAll(decoded)
	if err != nil {
		return content{why: err.Error()}
	}
	if binaryText(text) {
		return content{why: "binary data: neither text nor a format that is known", hint: "look at it with file(1)"}
	}
	start := bytes.TrimLeft(text, " \t\r\n\ufeff")
	switch {
	case len(start) == 0:
		return content{why: "nothing but blank lines", hint: hintCopy}
	case (start[0] == '{' || start[0] == '[') && looksLikeJSON(start, len(head) == headLength):
		return content{format: FormatJSON}
	}
	if found, ok := markupOf(start); ok {
		return found
	}
	return tableOf(text, name, named)
}

// binaryText reports whether a text has too many characters that texts do not have.
func binaryText(text []byte) bool {
	odd := 0
	for _, c := range text {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1A {
			odd++
		}
	}
	return odd > len(text)/20
}

// looksLikeJSON tries the beginning of a text as JSON.
func looksLikeJSON(text []byte, cut bool) bool {
	const enough = 8 // tokens
	decoder := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for tokens := 0; ; tokens++ {
		_, err := decoder.ReadToken()
		switch {
		case err == nil && tokens < enough:
			continue
		case err == nil, err == io.EOF:
			return true
		case errors.Is(err, io.ErrUnexpectedEOF):
			return tokens > 0 || cut // JSON that was cut
		}
		return tokens > 2
	}
}

// markupOf recognises texts of other kinds by how they begin.
func markupOf(start []byte) (content, bool) {
	lower := bytes.ToLower(start[:min(len(start), 256)])
	starts := func(prefix string) bool { return bytes.HasPrefix(lower, []byte(prefix)) }
	switch {
	case starts("<!doctype html"), starts("<html"), starts("<table"):
		return content{why: "an HTML page, as some programs export under the name .xls", hint: "open it in Excel or LibreOffice and save it as .xlsx or .csv"}, true
	case starts("<?xml"):
		return content{why: "an XML document", hint: "convert it to CSV or JSON"}, true
	case starts("--\n-- postgresql database dump"), starts("--\n-- postgresql database cluster dump"):
		return content{why: "a dump of pg_dump", hint: "restore it into another database; it is no source file"}, true
	case starts("#!"):
		return content{why: "a script"}, true
	case serverLog(start):
		return content{why: "a log of a PostgreSQL server (csvlog)", hint: "read it with pgrescue logs"}, true
	}
	return content{}, false
}

// serverLog reports whether a text begins as csvlog of PostgreSQL does: a time with milliseconds
// and zone, user, database, process and, in the sixth field, the session: two hexadecimal numbers.
func serverLog(start []byte) bool {
	fields := bytes.SplitN(start[:min(len(start), 1024)], []byte{','}, 7)
	if len(fields) < 7 || len(fields[0]) < 24 {
		return false
	}
	if _, err := time.Parse("2006-01-02 15:04:05.000", string(fields[0][:23])); err != nil {
		return false
	}
	begun, process, ok := bytes.Cut(fields[5], []byte{'.'})
	hex := func(b []byte) bool { return len(b) > 0 && len(bytes.Trim(b, "0123456789abcdef")) == 0 }
	return ok && hex(begun) && hex(process)
}

// tableOf decides whether a text is a table with a delimiter.
func tableOf(text []byte, name string, named bool) content {
	extension := strings.ToLower(filepath.Ext(name))
	switch extension {
	case ".csv", ".tsv", ".tab", ".psv":
		return content{format: FormatCSV}
	}
	if named {
		return content{format: FormatCSV}
	}
	switch extension {
	case ".md", ".rst", ".log", ".sql", ".py", ".go", ".js", ".ts", ".c", ".h", ".java", ".rb", ".php", ".sh", ".css", ".yml", ".yaml", ".toml", ".ini", ".cfg", ".conf", ".env", ".lock":
		// Texts of other kinds can look like a table by chance.
	default:
		if regular(text) {
			return content{format: FormatCSV}
		}
	}
	return content{why: "text that is no table with a delimiter", hint: "name the file itself to read it as one"}
}

// regular reports whether the lines of a text have the same number of delimiters.
func regular(text []byte) bool {
	lines := bytes.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	if len(text) >= headLength-1 && len(lines) > 1 {
		lines = lines[:len(lines)-1] // it is cut
	}
	if len(lines) < 2 {
		return false
	}
	for _, delimiter := range []byte(",;\t|") {
		want, same := delimiters(lines[0], delimiter), 0
		for _, line := range lines {
			if delimiters(line, delimiter) == want {
				same++
			}
		}
		if want > 0 && same*10 >= len(lines)*8 {
			return true
		}
	}
	return false
}

// delimiters counts those of a line that stand outside quotes.
func delimiters(line []byte, delimiter byte) int {
	count, quoted := 0, false
	for _, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case c == delimiter && !quoted:
			count++
		}
	}
	return count
}
