package report

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// manifest finds files of the evidence by what entries say of them.
type manifest struct {
	files    []casefile.File
	byPath   map[string]int // index
	byName   map[string]int // index of a log by the last part of its path; -1: several have it
	segments []segment
	linked   map[int]bool
}

// segment is a WAL segment by its name.
type segment struct {
	Timeline uint64
	From, To pg.LSN
	File     int
}

func newManifest(f *facts) *manifest {
	m := &manifest{files: f.summary.Evidence, byPath: make(map[string]int), byName: make(map[string]int), linked: make(map[int]bool)}
	for i := range m.files {
		file := &m.files[i]
		m.byPath[file.Path] = i
		switch evidence.Kind(file.Kind) {
		case evidence.KindWAL:
			m.addSegment(file, i)
		case evidence.KindLog:
			m.addLog(file, i)
		}
	}
	slices.SortStableFunc(m.segments, func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.Timeline, b.Timeline), cmp.Compare(a.From, b.From))
	})
	return m
}

func (m *manifest) addLog(file *casefile.File, at int) {
	name := filepath.Base(file.Path)
	if _, taken := m.byName[name]; taken {
		at = -1
	}
	m.byName[name] = at
}

// addSegment reads the name of a segment, as far as its size tells how it is to be read.
func (m *manifest) addSegment(file *casefile.File, at int) {
	name := filepath.Base(file.Path)
	whole := uint64(file.Size)
	if len(name) != 24 || whole < 1<<20 || whole > 1<<30 || whole&(whole-1) != 0 {
		return
	}
	timeline, err := strconv.ParseUint(name[:8], 16, 32)
	high, err2 := strconv.ParseUint(name[8:16], 16, 32)
	low, err3 := strconv.ParseUint(name[16:], 16, 32)
	if err != nil || err2 != nil || err3 != nil || low >= 1<<32/whole {
		return
	}
	from := high<<32 + low*whole
	m.segments = append(m.segments, segment{timeline, pg.LSN(from), pg.LSN(from + whole), at})
}

// linkOf is the link to a file; "": it is not in the evidence. Logs are named as
// somebody typed them, and the evidence has whole paths.
func (m *manifest) linkOf(path string) string {
	at, known := m.byPath[path]
	if !known {
		at, known = m.byName[filepath.Base(path)]
		known = known && at >= 0 && strings.HasSuffix(m.files[at].Path, "/"+strings.TrimLeft(filepath.Clean(path), "./"))
	}
	if !known {
		return ""
	}
	return m.link(at)
}

// segmentOf is the link to the segment that holds a record which ends there.
func (m *manifest) segmentOf(lsn pg.LSN) string {
	for i := len(m.segments) - 1; i >= 0; i-- {
		if s := &m.segments[i]; s.From < lsn && lsn <= s.To {
			return m.link(s.File)
		}
	}
	return ""
}

func (m *manifest) link(at int) string {
	if !m.linked[at] && len(m.linked) >= mostLinkedFiles {
		return "evidence"
	}
	m.linked[at] = true
	return fmt.Sprintf("file-%d", at+1)
}

// evidence is the section of the files that were read.
func (b *builder) evidence() section {
	s := section{ID: "evidence", Title: "Evidence"}
	files := b.summary.Evidence
	if len(files) == 0 {
		return s
	}
	s.say("Every file was opened for reading only and hashed behind the command that read it. `pgrescue case verify` hashes them again.")
	kinds := newGrid("By kind", text("Kind"), number("Files"), number("Size"), number("Not hashed"))
	all := newGrid("Files", text("File"), text("Kind"), number("Size"), text("Last written (UTC)"), text("SHA-256"))
	var names []string
	for i := range files {
		if !slices.Contains(names, files[i].Kind) {
			names = append(names, files[i].Kind)
		}
	}
	for _, kind := range names {
		var n, bytes, open int64
		shown := 0
		for i := range files {
			f := &files[i]
			if f.Kind != kind {
				continue
			}
			n, bytes = n+1, bytes+f.Size
			if f.SHA256 == "" {
				open++
			}
			if shown++; shown <= mostFiles || b.manifest.linked[i] {
				all.addCells(b.file(f, i)...)
			}
		}
		kinds.add(b.say.text(kind), count(n), size(bytes), count(open))
	}
	all.more(int64(len(all.Rows)), int64(len(files)), "files", "case show --json has all of them, and case export writes evidence.csv.")
	s.grid(kinds)
	s.grid(all)
	return s
}

func (b *builder) file(f *casefile.File, at int) []cell {
	name := cell{Text: b.say.path(f.Path), Mono: true, ID: fmt.Sprintf("file-%d", at+1)}
	if f.RelFile != "" {
		name.Text += " (" + f.RelFile + ")"
	}
	sum := cell{Text: f.SHA256, Mono: true}
	if f.SHA256 == "" {
		sum = cell{Text: "not hashed: " + b.say.text(f.How)}
	}
	written := cell{Text: "–"}
	if !f.Modified.IsZero() {
		written = cell{Text: shortClock(f.Modified), Time: true}
	}
	return []cell{name, {Text: b.say.text(f.Kind)}, {Text: size(f.Size)}, written, sum}
}

// reached describes the stretches of WAL that the case has, of the last timeline that
// has a segment.
func (m *manifest) reached() (whole stretch, holes []stretch, segments int) {
	if len(m.segments) == 0 {
		return stretch{}, nil, 0
	}
	timeline := m.segments[len(m.segments)-1].Timeline
	for _, s := range m.segments {
		if s.Timeline != timeline {
			continue
		}
		segments++
		switch {
		case whole.To == 0:
			whole = stretch{s.From, s.To}
		case s.From > whole.To:
			holes = append(holes, stretch{whole.To, s.From})
		}
		whole.To = max(whole.To, s.To)
	}
	return whole, holes, segments
}

// stretch is a stretch of the WAL.
type stretch struct{ From, To pg.LSN }

// percent is where a place in the WAL lies across a drawing.
func (s stretch) percent(lsn pg.LSN) float64 {
	if s.To <= s.From || lsn < s.From {
		return 0
	}
	return 100 * float64(lsn-s.From) / float64(s.To-s.From)
}
