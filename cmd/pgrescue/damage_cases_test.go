package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// damageCase is one way to hurt a data directory, and what must come of it.
type damageCase struct {
	name   string
	hurt   func(v *victim)
	vacuum bool     // in the copy whose dead tuples are vacuumed; then only the WAL has the rows
	noWAL  bool     // pg_wal is gone too, so that nothing can stand in for what is hurt
	args   []string // more arguments
	code   exitcode.Code
	// gaps are told on stderr: each has parts of one line, in order, with … between them.
	gaps []string
	// touched says which rows may be lost; nil: none.
	touched func(table string, block int) bool
	lost    int // rows that did not come back whole; -1: at least one
	more    func(t *testing.T, v *victim, r *rescued)
}

// of says that the rows of one block of a table may be lost.
func of(table string, block int) func(string, int) bool {
	return func(t string, b int) bool { return t == table && b == block }
}

// from says that the rows of some tables may be lost.
func from(tables ...string) func(string, int) bool {
	return func(t string, _ int) bool { return slices.Contains(tables, t) }
}

func everything(string, int) bool { return true }

// segment names the file of a place in the WAL, whose segments have 1 MiB.
func segment(at pg.LSN) string {
	return filepath.Join("pg_wal", fmt.Sprintf("00000001%08X%08X", uint64(at)>>32, uint64(at)>>20&0xFFF))
}

// wal changes bytes of the WAL from a place on.
func (v *victim) wal(at pg.LSN, change func(raw []byte)) {
	v.t.Helper()
	v.edit(segment(at), func(raw []byte) []byte { change(raw[at%(1<<20):]); return raw })
}

// pageOfLoss is a WAL page in the middle of the loss.
func (h *hurtCluster) pageOfLoss() pg.LSN { return (h.begin + (h.end-h.begin)/2) &^ (pg.BlockSize - 1) }

func pageDamage() []damageCase {
	torn := func(v *victim) { // the second half is of another page: what a torn write leaves
		v.page("plain", 3, func(page []byte) {
			raw, err := os.ReadFile(filepath.Join(v.heap, v.files["plain"]))
			if err != nil {
				v.t.Fatal(err)
			}
			copy(page[4096:], raw[5*pg.BlockSize+4096:6*pg.BlockSize])
		})
	}
	lines := func(v *victim) {
		v.page("plain", 3, func(page []byte) {
			for at := 24; at < 24+4*64; at += 4 {
				binary.LittleEndian.PutUint32(page[at:], 0xFFFF_7FFF) // normal, at the last byte, and long
			}
		})
	}
	return []damageCase{
		{name: "torn page", hurt: torn, code: exitcode.Partial, gaps: []string{"block 3…checksum is wrong…WAL"}},
		{name: "torn page, no WAL", noWAL: true, hurt: torn, code: exitcode.Partial, gaps: []string{"block 3…checksum is wrong…"}, touched: of("plain", 3), lost: -1},
		{name: "zeroed page", hurt: func(v *victim) { v.page("plain", 3, func(page []byte) { clear(page) }) }, code: exitcode.Partial, gaps: []string{"block 3…zero"}},
		{name: "zeroed page, no WAL", noWAL: true, hurt: func(v *victim) { v.page("plain", 3, func(page []byte) { clear(page) }) }, code: exitcode.Partial, gaps: []string{"block 3…zero"}, touched: of("plain", 3), lost: -1},
		{name: "wrong checksum", hurt: func(v *victim) { v.page("plain", 3, func(page []byte) { page[8] ^= 1 }) }, code: exitcode.Partial, gaps: []string{"block 3…checksum is wrong"}},
		{name: "overwritten page header", hurt: func(v *victim) { v.page("plain", 3, func(page []byte) { copy(page, strings.Repeat("garbage!", 3)) }) }, code: exitcode.Partial, gaps: []string{"block 3…header"}},
		{name: "overwritten page header, no WAL", noWAL: true, hurt: func(v *victim) { v.page("plain", 3, func(page []byte) { copy(page, strings.Repeat("garbage!", 3)) }) }, code: exitcode.Partial, gaps: []string{"block 3…header"}, touched: of("plain", 3), lost: -1},
		{name: "overwritten line pointers", hurt: lines, code: exitcode.Partial, gaps: []string{"block 3…checksum"}},
		{name: "file cut within a page", hurt: func(v *victim) {
			v.edit(v.files["plain"], func(raw []byte) []byte { return raw[:10*pg.BlockSize+5000] })
		}, code: exitcode.Partial, gaps: []string{"block 10…5000 of its 8192"}},
		{name: "file cut within a page, no WAL", noWAL: true, hurt: func(v *victim) {
			v.edit(v.files["plain"], func(raw []byte) []byte { return raw[:10*pg.BlockSize+5000] })
		}, code: exitcode.Partial, gaps: []string{"block 10…5000 of its 8192"}, touched: func(t string, b int) bool { return t == "plain" && b >= 10 }, lost: -1},
		{name: "relation file is gone", hurt: func(v *victim) { v.remove(v.files["plain"]) }, code: exitcode.Partial, gaps: []string{"public.plain…the relation file…does not exist"}},
		{name: "relation file is gone, no WAL", noWAL: true, hurt: func(v *victim) { v.remove(v.files["plain"]) }, code: exitcode.Partial, gaps: []string{"public.plain…the relation file…does not exist"}, touched: from("plain"), lost: 9000},
		{name: "TOAST file is gone", hurt: func(v *victim) { v.remove(v.files["toast of wide"]) }, code: exitcode.Partial, gaps: []string{"toast…the relation file…does not exist"}},
		{name: "TOAST file is gone, no WAL", noWAL: true, hurt: func(v *victim) { v.remove(v.files["toast of wide"]) }, code: exitcode.Partial, gaps: []string{"toast…the relation file…does not exist"}, touched: from("wide"), lost: 60},
		{name: "TOAST page damaged, no WAL", noWAL: true, hurt: func(v *victim) { v.page("toast of wide", 2, func(page []byte) { clear(page[300:]) }) }, code: exitcode.Partial, gaps: []string{"block 2…checksum"}, touched: from("wide"), lost: -1},
	}
}

func stateDamage() []damageCase {
	return []damageCase{
		{name: "pg_xact is gone", hurt: func(v *victim) { v.remove("pg_xact") }, code: exitcode.Partial, gaps: []string{"pg_xact…no such file…hint bits decide"}, more: sure},
		{name: "pg_xact is gone, hint bits", noWAL: true, hurt: func(v *victim) { v.remove("pg_xact") }, code: exitcode.Partial, gaps: []string{"pg_xact…no such file…hint bits decide"}, more: sure},
		{
			name: "pg_xact is gone, no hint bits", noWAL: true, hurt: func(v *victim) { v.remove("pg_xact") }, args: []string{"--table", "plain"}, code: exitcode.Partial,
			gaps: []string{"pg_xact: how transaction…9000 row versions…commit state unknown"}, touched: notPlain, lost: 660, more: unsure,
		},
		{
			name: "a file of pg_xact is gone", noWAL: true, hurt: func(v *victim) {
				v.edit("pg_xact/0000", func(raw []byte) []byte { return raw })
				v.move("pg_xact/0000", "pg_xact/0007")
			},
			args: []string{"--table", "plain"}, code: exitcode.Partial, gaps: []string{"pg_xact/0000: how transaction…no such file…commit state unknown"}, touched: notPlain, lost: 660, more: unsure,
		},
		{
			name: "pg_xact is cut", noWAL: true, hurt: func(v *victim) { v.edit("pg_xact/0000", func(raw []byte) []byte { return raw[:100] }) },
			args: []string{"--table", "plain"}, code: exitcode.Partial, gaps: []string{"pg_xact/0000: how transaction…ends before page 0…commit state unknown"}, touched: notPlain, lost: 660, more: unsure,
		},
		{
			name: "pg_xact is gone, and the commit record", vacuum: true,
			hurt: func(v *victim) {
				v.remove("pg_xact")
				v.edit(segment(v.commit), func(raw []byte) []byte { return raw[:v.commitPage()] })
				v.removeWALBehind(v.commit)
			},
			args: []string{"--table", "plain"}, code: exitcode.Partial, gaps: []string{"pg_xact: how transaction…commit state unknown"}, touched: notPlain, lost: 660, more: unsure,
		},
		{name: "pg_multixact is gone", hurt: func(v *victim) { v.remove("pg_multixact") }, code: exitcode.Partial, gaps: []string{"pg_multixact…no such file"}},
		{name: "pg_multixact is gone, no WAL", noWAL: true, hurt: func(v *victim) { v.remove("pg_multixact") }, code: exitcode.Partial, gaps: []string{"pg_multixact…no such file…who changed a row"}},
		{name: "pg_control is gone", hurt: func(v *victim) { v.remove("global/pg_control") }, code: exitcode.Partial, gaps: []string{"global/pg_control…no such file…not known"}},
		{name: "pg_control is damaged", hurt: func(v *victim) { v.edit("global/pg_control", func(raw []byte) []byte { raw[50] ^= 1; return raw }) }, code: exitcode.Partial, gaps: []string{"pg_control…CRC"}},
		{name: "wrong PG_VERSION", hurt: func(v *victim) { v.edit("PG_VERSION", func([]byte) []byte { return []byte("14\n") }) }, code: exitcode.Partial, gaps: []string{"PG_VERSION…says 14…taken from pg_control"}},
		{name: "unknown PG_VERSION", hurt: func(v *victim) { v.edit("PG_VERSION", func([]byte) []byte { return []byte("99\n") }) }, code: exitcode.Partial, gaps: []string{"PG_VERSION…says 99…taken from pg_control"}},
		{name: "no number in PG_VERSION", hurt: func(v *victim) { v.edit("PG_VERSION", func([]byte) []byte { return []byte("\x00\x00") }) }, code: exitcode.Partial, gaps: []string{"PG_VERSION…not a version…taken from pg_control"}},
		{name: "pg_wal is gone", noWAL: true, hurt: func(*victim) {}, code: exitcode.Partial, gaps: []string{"pg_wal…only dead tuples"}},
		{name: "pg_wal is gone, vacuumed", vacuum: true, noWAL: true, hurt: func(*victim) {}, code: exitcode.Insufficient, gaps: []string{"pg_wal…only dead tuples"}, touched: everything, lost: 9660},
	}
}

func catalogDamage() []damageCase {
	gone := func(catalog string) func(*victim) { return func(v *victim) { v.remove(v.files[catalog]) } }
	return []damageCase{
		{name: "pg_class is gone", hurt: gone("pg_class"), code: exitcode.Insufficient, gaps: []string{"pg_class…none of its tables are known"}, touched: everything, lost: 9660, more: onlyCounted},
		{name: "pg_attribute is gone", hurt: gone("pg_attribute"), code: exitcode.Insufficient, gaps: []string{"pg_attribute…none of its tables are known"}, touched: everything, lost: 9660, more: onlyCounted},
		{name: "pg_type is gone", hurt: gone("pg_type"), code: exitcode.Partial, gaps: []string{"pg_type…user types are not known"}, touched: from("moods"), lost: 300},
		{name: "pg_enum is gone", hurt: gone("pg_enum"), code: exitcode.Partial, gaps: []string{"pg_enum…labels of enums are not known"}, touched: from("moods"), lost: 300},
		{name: "pg_namespace is gone", hurt: gone("pg_namespace"), code: exitcode.Partial, gaps: []string{"pg_namespace…schemas have no names"}},
		{name: "pg_database is gone", hurt: gone("pg_database"), code: exitcode.Partial, gaps: []string{"pg_database…named by the OID"}},
		{name: "pg_filenode.map is gone", hurt: func(v *victim) { v.remove("base/5/pg_filenode.map") }, code: exitcode.Partial, gaps: []string{"base/5/pg_filenode.map…no such file…taken to be"}},
		{name: "pg_filenode.map has a bad CRC", hurt: func(v *victim) {
			v.edit("base/5/pg_filenode.map", func(raw []byte) []byte { raw[20] ^= 1; return raw })
		}, code: exitcode.Partial, gaps: []string{"base/5/pg_filenode.map…bad CRC…taken to be"}},
		{name: "pg_filenode.map names another file", hurt: func(v *victim) {
			v.edit("base/5/pg_filenode.map", func(raw []byte) []byte { return remap(raw, 1259, 1249) })
		}, code: exitcode.Partial, gaps: []string{"pg_filenode.map…pg_class is file 1249…taken to be"}},
		{name: "pg_filenode.map names no file", hurt: func(v *victim) {
			v.edit("base/5/pg_filenode.map", func(raw []byte) []byte { return remap(raw, 1259, 99999) })
		}, code: exitcode.Partial, gaps: []string{"pg_filenode.map…pg_class is file 99999…taken to be"}},
		{name: "global/pg_filenode.map is gone", hurt: func(v *victim) { v.remove("global/pg_filenode.map") }, code: exitcode.Partial, gaps: []string{"global/pg_filenode.map…no such file…taken to be"}},
		{name: "the database is gone", hurt: func(v *victim) { v.remove("base/5") }, code: exitcode.Insufficient, gaps: []string{"base/5…none of its tables are known"}, touched: everything, lost: 9660, more: onlyCounted},
	}
}

func walDamage() []damageCase {
	flip := func(at func(v *victim) pg.LSN) func(v *victim) {
		return func(v *victim) { v.wal(at(v), func(raw []byte) { raw[0] ^= 1 }) }
	}
	inRecord := func(v *victim) pg.LSN { return v.begin + 12000 } // behind the image of the first page
	inHeader := func(v *victim) pg.LSN { return v.pageOfLoss() + 8 }
	inImage := func(v *victim) pg.LSN { return v.begin + 2000 }
	first := func(v *victim) { v.remove(segment(v.begin)) }
	half := func(v *victim) {
		v.edit(segment(v.begin), func(raw []byte) []byte { return raw[:len(raw)*7/8] })
	}
	// The image of counters' only page is older than the gap, because its rows were locked before.
	plain := from("plain", "counters")
	zeroed := func(v *victim) { v.wal(v.pageOfLoss(), func(raw []byte) { clear(raw[:pg.BlockSize]) }) }
	list := []damageCase{
		{name: "flipped bit in a record", hurt: flip(inRecord), gaps: []string{"0/…segment…bad CRC…one record is lost"}, touched: of("plain", 0), lost: 1},
		{name: "flipped bit in a WAL page header", hurt: flip(inHeader), gaps: []string{"0/…segment…the page belongs to…records is lost"}, touched: plain},
		{name: "flipped bit in a full-page image", hurt: flip(inImage), gaps: []string{"0/…segment…bad CRC…one record is lost"}, touched: of("plain", 0)},
		{name: "zeroed WAL page", hurt: zeroed, gaps: []string{"0/…segment…page is zero…records is lost"}, touched: plain},
		{name: "half a segment", hurt: half, gaps: []string{"0/…segment…ends after 917504 bytes…records is lost"}, touched: plain},
		{name: "a segment is gone", hurt: first, gaps: []string{"0/…segment…no such file…records is lost"}, touched: plain},
	}
	for i := range list {
		c := &list[i]
		c.code = exitcode.Partial
		vacuumed := *c
		vacuumed.name, vacuumed.vacuum, vacuumed.lost = c.name+", vacuumed", true, cmp.Or(c.lost, -1)
		c.touched, c.lost = nil, 0 // the files have all
		list = append(list, vacuumed)
	}
	return append(list, damageCase{
		name: "the last segments are gone", hurt: func(v *victim) { v.removeWALBehind(v.begin) }, code: exitcode.Partial,
		gaps: []string{"pg_wal…ends at 0/…pg_control…not known"},
	})
}

// removeWALBehind removes the segments behind the one of a place.
func (v *victim) removeWALBehind(at pg.LSN) {
	v.t.Helper()
	names, err := filepath.Glob(v.path(filepath.Join("pg_wal", strings.Repeat("?", 24))))
	if err != nil {
		v.t.Fatal(err)
	}
	for _, name := range names {
		if filepath.Base(name) > filepath.Base(segment(at)) {
			v.remove(strings.TrimPrefix(name, v.dir))
		}
	}
}

// sure checks that nothing is said to be uncertain.
func sure(t *testing.T, _ *victim, r *rescued) {
	t.Helper()
	if n := r.report.Total.Unsure; n != 0 || strings.Contains(r.stderr, "commit state unknown") {
		t.Errorf("the commit state of %d rows is called unknown", n)
	}
}

// unsure checks that every row says that nobody knows how its transaction ended.
func unsure(t *testing.T, _ *victim, r *rescued) {
	t.Helper()
	if n := r.report.Total.Unsure; n != 9000 {
		t.Errorf("the commit state of %d rows is called unknown, want all 9000", n)
	}
	for tid := range r.rows["plain"] {
		if note := r.notes["plain"][tid]; note != "commit state unknown" {
			t.Fatalf("the note of %s is %q", tid, note)
		}
	}
}

// onlyCounted checks that rows which cannot be decoded are counted by what the WAL says.
func onlyCounted(t *testing.T, _ *victim, r *rescued) {
	t.Helper()
	if total := r.report.Total; total.Missing != total.Lost || total.Lost < 9660 || len(r.report.Tables) < len(hurtTables()) {
		t.Errorf("the WAL names 9660 rows of %d tables; the balance is %+v", len(hurtTables()), total)
	}
}

func notPlain(table string, _ int) bool { return table != "plain" }

// remap gives a catalog another file in pg_filenode.map.
func remap(raw []byte, catalog, file uint32) []byte {
	for at := 8; at < 504; at += 8 {
		if binary.LittleEndian.Uint32(raw[at:]) == catalog {
			binary.LittleEndian.PutUint32(raw[at+4:], file)
		}
	}
	binary.LittleEndian.PutUint32(raw[504:], castagnoli(raw[:504]))
	return raw
}

// racedEvery: with the race detector one case of so many runs, because it sees the same goroutines in
// each. That takes some of each list, with the WAL and without it, and of both copies.
const racedEvery = 5

// TestDamage hurts one thing at a time. Whatever it is, the run goes on, what
// the damage did not touch comes back as COPY gave it, and the gap is told.
func TestDamage(t *testing.T) {
	t.Parallel()
	h := newHurtCluster(t)
	cases := slices.Concat(pageDamage(), stateDamage(), catalogDamage(), walDamage())
	t.Run("cases", func(t *testing.T) {
		for i, c := range cases {
			if testing.Short() && i%racedEvery != 0 {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, h)
			})
		}
	})
	t.Run("random", func(t *testing.T) { randomDamage(t, h) })
	t.Run("wrong things", func(t *testing.T) { wrongPlaces(t, h) })
	t.Run("wrong arguments", func(t *testing.T) { wrongArguments(t, h) })
}

// run hurts a copy and rescues what is left of it.
func (c *damageCase) run(t *testing.T, h *hurtCluster) {
	t.Helper()
	original := h.heap
	if c.vacuum {
		original = h.vacuum
	}
	v := h.copyOf(t, original)
	c.hurt(v)
	if c.noWAL {
		v.remove("pg_wal")
	}
	c.check(t, v, v.undelete(c.args...))
}

func (c *damageCase) check(t *testing.T, v *victim, r *rescued) {
	t.Helper()
	if r.code != c.code {
		t.Errorf("exit code %d (%s), want %d (%s)", r.code, r.code, c.code, c.code)
	}
	lost := v.compare(r, c.touched)
	if c.lost >= 0 && lost != c.lost || c.lost < 0 && lost == 0 {
		t.Errorf("%d rows are lost, want %d", lost, c.lost)
	}
	for _, want := range c.gaps {
		if !slices.ContainsFunc(strings.Split(r.stderr, "\n"), func(line string) bool { return inOrder(line, strings.Split(want, "…")) }) {
			t.Errorf("no gap tells of %q", want)
		}
	}
	if c.more != nil {
		c.more(t, v, r)
	}
	if t.Failed() || testing.Verbose() {
		t.Logf("balance %+v, complete %t (%s)\nstderr:\n%s", r.report.Total, r.report.LedgerComplete, r.report.WhyIncomplete, r.stderr)
	}
}

// inOrder reports whether a line holds the parts one behind the other.
func inOrder(line string, parts []string) bool {
	for _, part := range parts {
		_, rest, found := strings.Cut(line, part)
		if !found {
			return false
		}
		line = rest
	}
	return true
}
