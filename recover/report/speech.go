package report

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// takenOut stands for a text that may quote what says something about people.
const takenOut = "(taken out)"

// pseudonymDigits is how many digits of a pseudonym a report shows.
const pseudonymDigits = 12

// speech makes texts of the case fit for a reader: without secrets, without characters
// that do something to a terminal or to the direction of writing, and of bounded
// length; in a redacted report without names of people.
type speech struct {
	opts    Options
	folders []string // of the evidence and the case, the longest first
}

func newSpeech(f *facts, opts Options) *speech {
	s := &speech{opts: opts}
	if !opts.Redact {
		return s
	}
	folders := map[string]bool{f.summary.Dir: true}
	for i := range f.summary.Evidence {
		folders[filepath.Dir(f.summary.Evidence[i].Path)] = true
	}
	for i := range opts.Runbooks {
		folders[filepath.Dir(opts.Runbooks[i].Folder)] = true
	}
	for folder := range folders {
		if folder != "/" && folder != "." {
			s.folders = append(s.folders, folder)
		}
	}
	slices.SortFunc(s.folders, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return s
}

// text is a text of pgrescue, or one that a redacted report may show.
func (s *speech) text(text string) string {
	if s.opts.Redact {
		text = s.withoutFolders(text)
	}
	return s.plain("", text)
}

// plain masks, cleans and cuts.
func (s *speech) plain(field, text string) string {
	if s.opts.Mask != nil {
		text = s.opts.Mask(field, text)
	}
	text = visible(text)
	if len(text) <= mostText {
		return text
	}
	cut := mostText
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%s more bytes)", text[:cut], count(int64(len(text)-cut)))
}

// quote is a text that quotes a log or what somebody typed.
func (s *speech) quote(text string) string {
	if s.opts.Redact && text != "" {
		return takenOut
	}
	return s.plain("", text)
}

// name names a person, a host or a tenant.
func (s *speech) name(text string) string {
	if s.opts.Redact && text != "" {
		return s.pseudonym([]byte(text))
	}
	return s.plain("", text)
}

func (s *speech) pseudonym(value []byte) string {
	return "~" + casefile.Pseudonym(s.opts.Key, value)[:pseudonymDigits]
}

// path names a file.
func (s *speech) path(path string) string {
	if !s.opts.Redact {
		return s.plain("", path)
	}
	return s.plain("", "…/"+filepath.Base(path))
}

// value is a value of a column.
func (s *speech) value(column string, v *evidence.Value) string {
	switch {
	case v.State == evidence.Null:
		return "NULL"
	case v.State == evidence.Unknown:
		return "unknown"
	case s.opts.Redact:
		return s.pseudonym(v.Text)
	}
	return s.plain(column, string(v.Text))
}

// withoutFolders leaves the last part of each path.
func (s *speech) withoutFolders(text string) string {
	for _, folder := range s.folders {
		text = strings.ReplaceAll(text, folder+"/", "…/")
		text = strings.ReplaceAll(text, folder, "…")
	}
	return regexp.MustCompile(`(^|[\s"'(=:,])/(?:[^\s/:,;()'"]+/)+`).ReplaceAllString(text, "$1…/")
}

// visible replaces characters that are not to be seen, or change what is seen.
func visible(text string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// count prints a number with its thousands apart.
func count(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// plural counts things.
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// size prints a number of bytes.
func size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// list joins names for a sentence, the first few of them.
func list(names []string) string {
	if more := len(names) - mostSummaryNames; more > 0 {
		return fmt.Sprintf("%s and %s more", strings.Join(names[:mostSummaryNames], ", "), count(int64(more)))
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
