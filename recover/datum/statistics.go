package datum

import (
	"fmt"
	"math/bits"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Types that PostgreSQL makes for itself: extended statistics and the keys of
// some indexes. A table has them when somebody kept a copy of such values.

const (
	ndistinctMagic    = 0xA352BFA4 // STATS_NDISTINCT_MAGIC in statistics/statistics.h
	dependenciesMagic = 0xB4549A2C // STATS_DEPS_MAGIC
	statisticsType    = 1
)

// statistics is how one kind of extended statistics is stored and printed: items,
// each a number and the columns that it is about.
type statistics struct {
	typeName string
	magic    uint32
	least    int                                      // bytes that an item has at least
	head     func(r *binreader.Reader) (float64, int) // the number, and the count of columns
	last     string                                   // stands before the last column
	value    func(dst []byte, number float64) []byte  // prints the number
}

// appendNDistinct follows pg_ndistinct_out (mvdistinct.c).
func appendNDistinct(dst, raw []byte) ([]byte, error) {
	kind := statistics{
		typeName: "pg_ndistinct", magic: ndistinctMagic, least: 12, last: ", ",
		head:  func(r *binreader.Reader) (float64, int) { return r.Float64(), int(r.Int32()) },
		value: func(dst []byte, number float64) []byte { return strconv.AppendInt(dst, int64(int32(number)), 10) },
	}
	return kind.append(dst, raw)
}

// appendDependencies follows pg_dependencies_out (dependencies.c).
func appendDependencies(dst, raw []byte) ([]byte, error) {
	kind := statistics{
		typeName: "pg_dependencies", magic: dependenciesMagic, least: 10, last: " => ",
		head:  func(r *binreader.Reader) (float64, int) { return r.Float64(), int(r.Int16()) },
		value: func(dst []byte, number float64) []byte { return strconv.AppendFloat(dst, number, 'f', 6, 64) },
	}
	return kind.append(dst, raw)
}

// append prints the statistics as JSON, in the form that PostgreSQL gives it.
func (s *statistics) append(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	count, err := s.count(&r)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	for i := range count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		number, columns := s.head(&r)
		dst = append(dst, '"')
		for j := 0; r.OK() && j < columns; j++ {
			switch {
			case j > 0 && j == columns-1:
				dst = append(dst, s.last...)
			case j > 0:
				dst = append(dst, ", "...)
			}
			dst = strconv.AppendInt(dst, int64(r.Int16()), 10)
		}
		dst = s.value(append(dst, `": `...), number)
	}
	return append(dst, '}'), whole(&r, s.typeName)
}

// count reads the head before the items, and returns how many there are.
func (s *statistics) count(r *binreader.Reader) (int, error) {
	found, kind, items := r.Uint32(), r.Uint32(), r.Uint32()
	switch {
	case !r.OK():
		return 0, fmt.Errorf("%s: %w", s.typeName, r.Err())
	case found != s.magic || kind != statisticsType:
		return 0, fmt.Errorf("%s: magic 0x%08X and type %d", s.typeName, found, kind)
	case int64(items)*int64(s.least) > int64(r.Remaining()):
		return 0, fmt.Errorf("%s: %d items in %d bytes", s.typeName, items, r.Remaining())
	}
	return int(items), nil
}

// appendBloomSummary follows brin_bloom_summary_out (brin_bloom.c).
func appendBloomSummary(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	r.Skip(2) // flags
	hashes := r.Uint8()
	r.Skip(1) // padding
	size, set := r.Uint32(), r.Uint32()
	if !r.OK() {
		return dst, fmt.Errorf("pg_brin_bloom_summary: %w", r.Err())
	}
	return fmt.Appendf(dst, "{mode: hashed  nhashes: %d  nbits: %d  nbits_set: %d}", hashes, size, set), nil
}

// appendMinmaxMulti follows brin_minmax_multi_summary_out (brin_minmax_multi.c):
// values of one type, packed without alignment, two for each range, then single ones.
func (g *Registry) appendMinmaxMulti(dst, raw []byte) ([]byte, error) {
	const typeName = "pg_brin_minmax_multi_summary"
	r := binreader.New(raw)
	oid, ranges, values, most := pg.OID(r.Uint32()), r.Int32(), r.Int32(), r.Int32()
	if !r.OK() {
		return dst, fmt.Errorf("%s: %w", typeName, r.Err())
	}
	if ranges < 0 || values < 0 || 2*int64(ranges)+int64(values) > int64(r.Remaining()) {
		return dst, fmt.Errorf("%s: %d ranges and %d values in %d bytes", typeName, ranges, values, r.Remaining())
	}
	each, err := g.ForType(oid)
	if err != nil {
		return dst, err
	}
	one := member{append: each, attr: heap.Attr{Len: g.types[oid].Len, Align: catalog.AlignBytes("c")}}
	text := func() (text []byte) {
		if err == nil {
			raw, failed := one.next(&r)
			if err = failed; err == nil {
				text, err = each(nil, raw)
			}
		}
		return text
	}
	dst = fmt.Appendf(dst, "{nranges: %d  nvalues: %d  maxvalues: %d", ranges, values, most)
	list := func(dst []byte, title string, count int32, item func() []byte) []byte {
		for i := range count {
			if i == 0 {
				dst = append(dst, title...)
			} else {
				dst = append(dst, ',')
			}
			start := len(dst)
			dst = quoteElement(append(dst, item()...), start, ',')
		}
		if count > 0 {
			dst = append(dst, '}')
		}
		return dst
	}
	dst = list(dst, " ranges: {", ranges, func() []byte { return append(append(text(), " ... "...), text()...) })
	dst = list(dst, " values: {", values, text)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", typeName, err)
	}
	return append(dst, '}'), whole(&r, typeName)
}

// Flags of a gtsvector, the key of a GiST index over a tsvector (tsgistidx.c).
const (
	gtsvectorArray   = 0x01
	gtsvectorAllTrue = 0x04
)

// appendGTSVector follows gtsvectorout (tsgistidx.c).
func appendGTSVector(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	flags := r.Uint32()
	if !r.OK() {
		return dst, fmt.Errorf("gtsvector: %w", r.Err())
	}
	rest := r.Rest()
	if flags&gtsvectorArray != 0 {
		return fmt.Appendf(dst, "%d unique words", len(rest)/4), nil
	}
	set := 0
	for _, b := range rest {
		set += bits.OnesCount8(b)
	}
	if flags&gtsvectorAllTrue != 0 {
		set = 8 * len(rest)
	}
	return fmt.Appendf(dst, "%d true bits, %d false bits", set, 8*len(rest)-set), nil
}
