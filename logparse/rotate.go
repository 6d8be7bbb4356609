package logparse

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/packed"
)

// rotation is what a file's name says of the log that it is a part of.
type rotation struct {
	log  string // the same for all parts
	when string // the time in the name, digits only; "": none
	age  int    // of name.1, name.2; 0: none
	sure bool   // no other thing is named so
}

// newest is when the file is that is still written.
const newest = "~"

// rotationOf takes a path apart: name.1, name.2.gz, name-20251007, name.2025-10-07_18, name-2025-10-07_000000.log,
// name.1.log, name-Mon.log, and name.log itself.
func rotationOf(path string) rotation {
	folder, base := filepath.Split(path)
	base = withoutEnding(base)
	if dot := strings.LastIndexByte(base, '.'); dot > 0 {
		if age, ok := age(base[dot+1:]); ok {
			return rotation{log: folder + base[:dot], when: newest, age: age, sure: true}
		}
	}
	if at, n := dateIn(base); n > 0 && at > 0 {
		name, rest := base[:at-1], base[at+n:]
		when := onlyDigits(base[at : at+n])
		if rest == "" {
			return rotation{log: folder + name, when: when, sure: true}
		}
		return rotation{log: folder + name + "-*" + rest, when: when, sure: true}
	}
	extension := filepath.Ext(base)
	name := strings.TrimSuffix(base, extension)
	if dot := strings.LastIndexAny(name, ".-"); dot > 0 && extension != "" {
		switch last := name[dot+1:]; {
		case slices.Contains([]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}, last):
			return rotation{log: folder + name[:dot] + "-*" + extension, when: last}
		case name[dot] == '.':
			if age, ok := age(last); ok {
				return rotation{log: folder + name[:dot] + extension, when: newest, age: age}
			}
		}
	}
	return rotation{log: folder + base, when: newest, sure: true}
}

// withoutEnding takes the ending of a compression off a name.
func withoutEnding(name string) string {
	for _, ending := range []string{".gz", ".zst", ".zstd", ".xz", ".bz2"} {
		if short, found := strings.CutSuffix(name, ending); found && short != "" {
			return short
		}
	}
	return name
}

// age reads the number of name.1.
func age(text string) (int, bool) {
	if text == "" || len(text) > 3 {
		return 0, false
	}
	n := 0
	for i := range len(text) {
		if !isDigit(text[i]) {
			return 0, false
		}
		n = n*10 + int(text[i]-'0')
	}
	return n, true
}

// dateIn finds a date in a name, behind one of - . _ and with a time behind it or none.
func dateIn(name string) (at, n int) {
	for at = 1; at < len(name); at++ {
		if !strings.ContainsRune("-._", rune(name[at-1])) || !isDigit(name[at]) {
			continue
		}
		end := at
		for end < len(name) && (isDigit(name[end]) || strings.ContainsRune("-_T:", rune(name[end])) && end+1 < len(name) && isDigit(name[end+1])) {
			end++
		}
		digits := onlyDigits(name[at:end])
		if len(digits) < 8 || len(digits) > 14 || len(digits) == 10 && digits < "19" {
			continue
		}
		year, month, day := digits[:4], digits[4:6], digits[6:8]
		epoch := len(digits) == 10 && digits[0] == '1' && end-at == 10
		if epoch || year > "1990" && year < "2100" && month >= "01" && month <= "12" && day >= "01" && day <= "31" {
			return at, end - at
		}
	}
	return 0, 0
}

func onlyDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// part is a file with what is known of its time.
type part struct {
	source      *Source
	rotation    rotation
	first, last Stamp
}

// join makes one source of those whose files continue each other. What holds the same as another is skipped.
func (f *finder) join(ctx context.Context, singles []*Source) ([]*Source, error) {
	var order []string
	logs := make(map[string][]*part)
	var joined []*Source
	for _, source := range singles {
		if len(source.Paths) == 0 {
			joined = append(joined, source)
			continue
		}
		p := &part{source: source, rotation: rotationOf(source.Paths[0])}
		if logs[p.rotation.log] == nil {
			order = append(order, p.rotation.log)
		}
		logs[p.rotation.log] = append(logs[p.rotation.log], p)
	}
	for _, log := range order {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		parts := logs[log]
		if len(parts) > 1 {
			var err error
			if parts, err = f.sortParts(parts); err != nil {
				return nil, err
			}
		}
		joined = append(joined, chains(parts)...)
	}
	return joined, nil
}

// sortParts puts the parts of one log into the order of time, and leaves out those that are there twice.
func (f *finder) sortParts(parts []*part) ([]*part, error) {
	heads := make(map[*part][]byte)
	stamped := true
	for _, p := range parts {
		head, err := p.look()
		if err != nil {
			return nil, err
		}
		heads[p] = head[:min(len(head), 64<<10)]
		stamped = stamped && !p.first.Time.IsZero()
	}
	slices.SortStableFunc(parts, func(a, b *part) int {
		if stamped && !a.first.Time.Equal(b.first.Time) {
			return a.first.Time.Compare(b.first.Time)
		}
		return cmp.Or(cmp.Compare(a.rotation.when, b.rotation.when), cmp.Compare(b.rotation.age, a.rotation.age), cmp.Compare(a.source.files[0].kind, b.source.files[0].kind))
	})
	kept := parts[:1]
	for _, p := range parts[1:] {
		before := kept[len(kept)-1]
		if p.rotation == before.rotation && bytes.Equal(heads[p], heads[before]) {
			f.skipped = append(f.skipped, Skipped{Path: p.source.Paths[0], Why: "it holds the same as " + before.source.Paths[0]})
			continue
		}
		kept = append(kept, p)
	}
	return kept, nil
}

// look finds the first and the last stamp of a part, and gives its beginning.
func (p *part) look() ([]byte, error) {
	f := &p.source.files[0]
	head, err := f.head()
	if err != nil {
		return nil, &evidence.Error{Op: "logparse: read", Place: f.path, Err: cause(err)}
	}
	for line := range bytes.Lines(head) {
		if p.first = anyStamp(line); !p.first.Time.IsZero() {
			break
		}
	}
	if f.kind != packed.None || f.order != 0 {
		return head, nil // its end is known only when all of it has been read
	}
	opened, err := evidence.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	tail := make([]byte, 64<<10)
	n, err := opened.ReadAt(tail, max(0, f.size-int64(len(tail))))
	if err != nil && err != io.EOF { //nolint:errorlint // ReadAt ends with this very value
		return nil, err
	}
	lines := bytes.Split(tail[:n], newline)
	for i := len(lines) - 1; i >= 0; i-- {
		if p.last = anyStamp(lines[i]); !p.last.Time.IsZero() {
			break
		}
	}
	return head, nil
}

// anyStamp finds a stamp near the beginning of a line.
func anyStamp(line []byte) Stamp {
	const far = 400
	for i := range line[:min(len(line), far)] {
		if i > 0 && (isDigit(line[i-1]) || isLetter(line[i-1])) {
			continue
		}
		if stamp, n := ParseStamp(line[i:]); n > 0 {
			return stamp
		}
	}
	return Stamp{}
}

// slack is how much earlier a part may begin than the one before it ended: a clock that was set, and one
// without a zone that was put back for the winter.
func slack(stamp Stamp) time.Duration {
	if stamp.Zone == NoZone {
		return 2 * time.Hour
	}
	return 5 * time.Minute
}

// continues reports whether a part goes on where the one before it ended.
func (p *part) continues(before *part) bool {
	if p.source.Wrapper != before.source.Wrapper || p.source.Encoding != before.source.Encoding {
		return false
	}
	sure := p.rotation.sure && before.rotation.sure
	if p.first.Time.IsZero() || before.last.Time.IsZero() {
		return sure
	}
	return !p.first.Time.Before(before.last.Time.Add(-slack(p.first)))
}

// chains makes one source of each run of parts that continue each other.
func chains(parts []*part) []*Source {
	sources := []*Source{parts[0].source}
	for i, p := range parts[1:] {
		last := sources[len(sources)-1]
		if !p.continues(parts[i]) {
			sources = append(sources, p.source)
			continue
		}
		last.Name = p.source.Name
		last.Paths = append(last.Paths, p.source.Paths...)
		last.files = append(last.files, p.source.files...)
		last.Size += p.source.Size
	}
	slices.SortFunc(sources, func(a, b *Source) int { return cmp.Compare(a.Paths[0], b.Paths[0]) })
	return sources
}
